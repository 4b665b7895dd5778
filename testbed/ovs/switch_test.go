package ovs

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/keyway-nve/keyway/proto/geneve"
	"github.com/keyway-nve/keyway/testbed/peer"
)

func TestNodeIsChecked(t *testing.T) {
	some := geneve.OptionType{Class: 0xff00, Type: 1, Len: 1}
	_, err := Start(t.Context(), Node{
		Tunnels:     map[uint32]Tunnel{256: {Type: "geneve"}},
		TenantPorts: []uint32{255},
		Options:     OptionMap{some, some},
	}, Options{})
	if err == nil {
		t.Fatal("started")
	}
	for _, want := range []string{"provider address", "tunnel port 256", "tenant port 255", "mapped twice"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said of it: %v", want, err)
		}
	}
}

func start(t *testing.T) *Switch {
	t.Helper()
	peer.Require(t, "ovs-vswitchd", "openvswitch-switch")
	s, err := Start(t.Context(), Node{Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.9")}, TenantPorts: []uint32{256}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(s.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("its directory is still there: %v", err)
		}
	})
	return s
}

// A process that dies is not waited for.
func TestProcessEnds(t *testing.T) {
	for i, name := range []string{"ovsdb-server", "ovs-vswitchd"} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			if err := peer.Kill(s.daemons[i]); err != nil {
				t.Fatal(err)
			}
			select {
			case <-s.Ended():
			case <-time.After(10 * time.Second):
				t.Fatal("nobody noticed")
			}
			if err := s.Settle(t.Context()); err == nil {
				t.Error("settled")
			}
			if err := s.SetFlows(t.Context()); err == nil {
				t.Error("flows set")
			}
		})
	}
}

func TestInjectIsChecked(t *testing.T) {
	s := start(t)
	for name, try := range map[string]func() error{
		"no such port": func() error { return s.Inject(7, make([]byte, 60)) },
		"no header":    func() error { return s.Inject(256, make([]byte, 13)) },
		"too long":     func() error { return s.Inject(256, make([]byte, 1<<16)) },
	} {
		if err := try(); err == nil {
			t.Errorf("%s: injected", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Settle(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if err := s.Settle(t.Context()); err != nil {
		t.Errorf("after a Settle that was given up: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(t.Context()); err == nil {
		t.Error("settled after Close")
	}
}
