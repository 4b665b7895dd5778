//go:build !linux

package target

import (
	"errors"
	"fmt"
)

// AttachInterface needs AF_PACKET, which only Linux has.
func (t *Target) AttachInterface(n uint32, name string, _, _ *Pcap) error {
	return fmt.Errorf("port %d: interface %s: %w", n, name, errors.ErrUnsupported)
}
