//go:build !linux

package netns

import (
	"net/netip"
	"os/exec"
)

// Namespace is something that only Linux has.
type Namespace struct{}

// New always returns ErrUnsupported.
func New(string) (*Namespace, error) { return nil, ErrUnsupported }

// Do returns ErrUnsupported.
func (n *Namespace) Do(func() error) error { return ErrUnsupported }

// Run returns ErrUnsupported.
func (n *Namespace) Run(*exec.Cmd, func(error)) error { return ErrUnsupported }

// Name returns "".
func (n *Namespace) Name() string { return "" }

// Close does nothing.
func (n *Namespace) Close() error { return nil }

// AddVeth returns ErrUnsupported.
func AddVeth(_, _ Interface) error { return ErrUnsupported }

// AddAddress returns ErrUnsupported.
func (n *Namespace) AddAddress(string, netip.Addr) error { return ErrUnsupported }
