package gnmi

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A device that stops in the middle of the first query has said nothing: not even that it does not support the model.
func TestWatchFirstQueryBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{Server: oneDevice(t), get: hang}
		states := watch(t, serve(t, d), ClientOptions{Timeout: 200 * time.Millisecond})
		if s := next(t, states); s.Answer != Untold || s.Stale || !errors.Is(s.Err, ErrUntold) || errors.Is(s.Err, ErrUnsupported) {
			t.Errorf("have %+v", s)
		}
		d.setGet(nil)
		if s := next(t, states); s.Answer != Supported || s.Stale || s.Err != nil {
			t.Errorf("have %+v", s)
		}
	})
}

// Attempts that fail are repeated, with waits that double up to the longest and start anew once the device has answered.
func TestWatchBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked []time.Time
		d := &device{Server: oneDevice(t)}
		fail := func(context.Context, *gpb.GetResponse) error {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, time.Now())
			return status.Error(codes.Unavailable, "not now")
		}
		waits := func() (out []time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			for i := 1; i < len(asked); i++ {
				out = append(out, asked[i].Sub(asked[i-1]))
			}
			asked = nil
			return out
		}
		check := func(waits []time.Duration) {
			t.Helper()
			for i, have := range waits {
				longest := min(time.Second<<i, 8*time.Second)
				if have < longest/2 || have > longest {
					t.Errorf("wait %d is %v, want %v to %v", i, have, longest/2, longest)
				}
			}
			if len(waits) < 6 {
				t.Errorf("only %d waits in a minute", len(waits))
			}
		}
		d.setGet(fail)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		client := NewClient(serve(t, d), ClientOptions{MinBackoff: time.Second, MaxBackoff: 8 * time.Second, Refresh: time.Second})
		var reported []State
		running.Go(func() { _ = client.Watch(ctx, func(s State) { reported = append(reported, s) }) })
		time.Sleep(time.Minute)
		check(waits())
		d.setGet(nil)
		time.Sleep(time.Minute)
		d.setGet(fail)
		time.Sleep(time.Minute)
		check(waits())
		cancel()
		running.Wait()
		// Dozens of attempts, and three things to report.
		var have []Answer
		for _, s := range reported {
			have = append(have, s.Answer)
		}
		if !slices.Equal(have, []Answer{Untold, Supported, Supported}) || reported[1].Stale || !reported[2].Stale {
			t.Errorf("have %v", reported)
		}
	})
}

// Each change is reported once, however often the client asks, and what is put again as it was is no change.
func TestWatchReportsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oneDevice(t)
		c := goldens(t)["first-only"]
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		client := NewClient(serve(t, s), ClientOptions{Target: "nic", Settle: 10 * time.Millisecond, Refresh: 100 * time.Millisecond})
		var have []uint32
		running.Go(func() { _ = client.Watch(ctx, func(s State) { have = append(have, s.Capability.Receive.Rows) }) })
		time.Sleep(time.Second)
		want := []uint32{c.Receive.Rows}
		for rows := range uint32(10) {
			c.Receive.Rows = 100 + rows
			want = append(want, c.Receive.Rows)
			for range 2 {
				if err := s.Put("nic", c); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}
		cancel()
		running.Wait()
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("-want +have:\n%s", diff)
		}
	})
}

// Who takes long over a report gets what is true then, and not all that has been.
func TestWatchSlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := oneDevice(t)
		c := goldens(t)["first-only"]
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		client := NewClient(serve(t, s), ClientOptions{Target: "nic", Refresh: time.Hour})
		var have []uint32
		running.Go(func() {
			_ = client.Watch(ctx, func(s State) {
				have = append(have, s.Capability.Receive.Rows)
				time.Sleep(10 * time.Second)
			})
		})
		time.Sleep(time.Second)
		before := c.Receive.Rows
		for rows := range uint32(100) {
			c.Receive.Rows = 100 + rows
			if err := s.Put("nic", c); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		cancel()
		running.Wait()
		if want := []uint32{before, 199}; !slices.Equal(have, want) {
			t.Errorf("have %v, want %v", have, want)
		}
	})
}
