//go:build !linux

package afpacket

import (
	"errors"
	"fmt"
)

// Options configure a Conn.
type Options struct {
	MaxFrame int
	Failed   func(frame []byte, err error)
}

// Conn needs AF_PACKET, which only Linux has.
type Conn struct{}

// Open always returns [errors.ErrUnsupported].
func Open(name string, _ Options) (*Conn, error) {
	return nil, fmt.Errorf("interface %s: AF_PACKET: %w", name, errors.ErrUnsupported)
}

// Close does nothing.
func (c *Conn) Close() error { return nil }

// Receive does nothing.
func (c *Conn) Receive(func([]byte), func() func()) error { return nil }

// Idle is always true.
func (c *Conn) Idle() (bool, error) { return true, nil }

// Dropped is always 0.
func (c *Conn) Dropped() (uint64, error) { return 0, nil }

// Send does nothing.
func (c *Conn) Send([]byte) {}

// Cork does nothing.
func (c *Conn) Cork() {}

// Uncork does nothing.
func (c *Conn) Uncork() {}
