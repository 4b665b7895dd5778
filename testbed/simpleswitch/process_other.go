//go:build !linux

package simpleswitch

import (
	"context"
	"errors"
	"fmt"
)

// asleep needs to see a process's threads.
func (s *Switch) asleep(context.Context) error {
	return fmt.Errorf("frames by network interfaces: %w", errors.ErrUnsupported)
}
