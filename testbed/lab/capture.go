package lab

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/keyway-nve/keyway/testbed/wire"
)

// capture writes one pcapng file for all wires of a lab and one for each.
type capture struct {
	files []*os.File
	sinks []*wire.Capture
}

func newCapture(dir, lab string, wires []wire.Wire) (*capture, error) {
	c := &capture{}
	each := filepath.Join(dir, lab)
	if err := os.MkdirAll(each, 0o755); err != nil {
		return nil, err
	}
	err := c.add(filepath.Join(dir, lab+".pcapng"), wires...)
	for _, w := range wires {
		err = errors.Join(err, c.add(filepath.Join(each, w.Name+".pcapng"), w))
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *capture) add(file string, wires ...wire.Wire) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	c.files = append(c.files, f)
	sink, err := wire.NewCapture(f, wires...)
	if err != nil {
		return err
	}
	c.sinks = append(c.sinks, sink)
	return nil
}

func (c *capture) frame(f wire.Frame) {
	for _, s := range c.sinks {
		s.Frame(f)
	}
}

func (c *capture) close() error {
	var errs []error
	for _, s := range c.sinks {
		errs = append(errs, s.Err())
	}
	for _, f := range c.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
