package simpleswitch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const asleepPoll = 100 * time.Microsecond

// asleep returns when the process has nothing to do.
func (s *Switch) asleep(ctx context.Context) error {
	for last := []byte(nil); ; {
		now, asleep, err := look(s.cmd.Process.Pid)
		switch {
		case err != nil:
			return errors.Join(err, s.Err())
		case asleep && bytes.Equal(now, last):
			return nil
		}
		if last = now; asleep {
			continue
		}
		select {
		case <-time.After(asleepPoll):
		case <-s.ctx.Done():
			return s.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// look returns what would be different if any thread of a process had run meanwhile, and whether all of them sleep.
func look(pid int) (counts []byte, asleep bool, err error) {
	dir := fmt.Sprintf("/proc/%d/task", pid)
	threads, err := os.ReadDir(dir)
	if err != nil {
		return nil, false, err
	}
	asleep = true
	for _, t := range threads {
		status, err := os.ReadFile(filepath.Join(dir, t.Name(), "status"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) { // the thread has ended
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		counts = append(counts, t.Name()...)
		for line := range bytes.Lines(status) {
			switch key, value, _ := bytes.Cut(line, []byte(":")); string(key) {
			case "State":
				asleep = asleep && bytes.HasPrefix(bytes.TrimSpace(value), []byte("S"))
			case "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
				counts = append(counts, value...)
			}
		}
	}
	return counts, asleep, nil
}
