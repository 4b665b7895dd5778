package target_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/testbed/target"
)

// nve is the NVE's program, and what it says of a device named leaf.
func nve(t testing.TB) (*p4v1.ForwardingPipelineConfig, capabilities.Capability) {
	t.Helper()
	program, err := p4.NVE()
	if err != nil {
		t.Fatal(err)
	}
	schema, err := tables.NewSchema(program.P4Info)
	if err != nil {
		t.Fatal(err)
	}
	c, err := capabilities.FromSchema("leaf", schema)
	if err != nil {
		t.Fatal(err)
	}
	return &p4v1.ForwardingPipelineConfig{P4Info: program.P4Info, P4DeviceConfig: program.DeviceConfig}, c
}

func profile(t testing.TB, name string) *capabilities.Capability {
	t.Helper()
	p, err := capabilities.ShippedProfile(name)
	if err != nil {
		t.Fatal(err)
	}
	return &p.Capability
}

// both is the capability of a device named leaf that is a product and runs the NVE's program.
func both(t testing.TB, product *capabilities.Capability) capabilities.Capability {
	t.Helper()
	_, program := nve(t)
	c := capabilities.Intersect(*product, program)
	c.Name = "leaf"
	return c
}

// watch follows a target over gNMI and returns what it comes to.
func watch(t *testing.T, sw *target.Target) <-chan gnmi.State {
	t.Helper()
	conn, err := sw.DialGNMI()
	if err != nil {
		t.Fatal(err)
	}
	client := gnmi.NewClient(conn, gnmi.ClientOptions{
		Target: "leaf", Settle: time.Millisecond, Refresh: 50 * time.Millisecond,
		MinBackoff: 5 * time.Millisecond, MaxBackoff: 20 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(t.Context())
	states := make(chan gnmi.State, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = client.Watch(ctx, func(s gnmi.State) { states <- s })
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		conn.Close()
	})
	return states
}

// until returns the first state that is as it should be.
func until(t *testing.T, states <-chan gnmi.State, what string, ok func(gnmi.State) bool) gnmi.State {
	t.Helper()
	var last gnmi.State
	for patience := time.After(30 * time.Second); ; {
		select {
		case last = <-states:
			if ok(last) {
				return last
			}
		case <-patience:
			t.Fatalf("%s: last heard %v, stale %v, %v", what, last.Answer, last.Stale, last.Err)
		}
	}
}

func fresh(c capabilities.Capability) func(gnmi.State) bool {
	return func(s gnmi.State) bool {
		return s.Answer == gnmi.Supported && !s.Stale && cmp.Diff(c, s.Capability) == ""
	}
}

func stale(c capabilities.Capability) func(gnmi.State) bool {
	return func(s gnmi.State) bool {
		return s.Answer == gnmi.Supported && s.Stale && errors.Is(s.Err, gnmi.ErrUntold) && cmp.Diff(c, s.Capability) == ""
	}
}

// What a target says over gNMI follows its program and its profile.
func TestCapability(t *testing.T) {
	config, program := nve(t)
	sw := run(t, target.Options{Name: "leaf"})
	states := watch(t, sw)
	if s := until(t, states, "no program", func(gnmi.State) bool { return true }); s.Answer != gnmi.Untold {
		t.Errorf("without a program: %v", s.Answer)
	}
	if c, ok := sw.Capability(); ok {
		t.Errorf("without a program: %+v", c)
	}

	c := connect(t, sw)
	c.push(config)
	until(t, states, "the program's", fresh(program))
	if c, ok := sw.Capability(); !ok || cmp.Diff(program, c) != "" {
		t.Errorf("Capability: %v, %s", ok, cmp.Diff(program, c))
	}

	// Smaller, larger, in another order.
	window := profile(t, "tofino-option-window")
	for _, product := range []*capabilities.Capability{profile(t, "cisco-vic"), window, profile(t, "tofino2-oxide-sidecar")} {
		if err := sw.SetProfile(product); err != nil {
			t.Fatal(err)
		}
		until(t, states, product.Name, fresh(both(t, product)))
	}

	// What cannot be changes nothing.
	bad := *window
	bad.Receive.Limits.Bytes = 47
	if err := sw.SetProfile(&bad); err == nil {
		t.Error("a profile that contradicts itself is taken")
	}
	if c, _ := sw.Capability(); cmp.Diff(both(t, profile(t, "tofino2-oxide-sidecar")), c) != "" {
		t.Errorf("a profile that was refused is told: %+v", c)
	}

	// A program that does not say what it does with options.
	c.commit()
	until(t, states, "another program", stale(both(t, profile(t, "tofino2-oxide-sidecar"))))
	if err := sw.SetProfile(nil); err != nil {
		t.Fatal(err)
	}
	c.push(config)
	until(t, states, "the first program again", fresh(program))

	if err := sw.Restart(); err != nil {
		t.Fatal(err)
	}
	until(t, states, "after a restart", stale(program))
	c.arbitrate()
	c.push(config)
	until(t, states, "with its program again", fresh(program))
}

func TestProfileOption(t *testing.T) {
	config, _ := nve(t)
	vic := profile(t, "cisco-vic")
	sw := run(t, target.Options{Name: "leaf", Profile: vic})
	connect(t, sw).push(config)
	if c, ok := sw.Capability(); !ok || cmp.Diff(both(t, vic), c) != "" {
		t.Errorf("%v, %s", ok, cmp.Diff(both(t, vic), c))
	}
	if _, err := target.New(target.Options{Profile: &capabilities.Capability{}}); err == nil {
		t.Error("a profile without a name is taken")
	}
}

// P4Runtime says what gNMI does.
func TestCapabilityOverP4Runtime(t *testing.T) {
	config, _ := nve(t)
	vic := profile(t, "cisco-vic")
	sw := run(t, target.Options{Name: "leaf", Profile: vic})
	conn, err := sw.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	session := p4rt.New(conn, p4rt.Options{DeviceID: 3})
	have, err := session.Capabilities(t.Context())
	if err != nil || have.APIVersion != "1.5.0" || have.Capability != nil {
		t.Errorf("without a program: %+v, %v", have, err)
	}
	connect(t, sw).push(config)
	if have, err = session.Capabilities(t.Context()); err != nil || have.Capability == nil {
		t.Fatalf("%+v, %v", have, err)
	}
	if diff := cmp.Diff(both(t, vic), *have.Capability); diff != "" {
		t.Errorf("-want +have:\n%s", diff)
	}
}

// A target whose gNMI hangs, or is gone, or is cut off: what it said stands, stale, until it says it again.
func TestGNMIFaults(t *testing.T) {
	config, program := nve(t)
	sw := run(t, target.Options{Name: "leaf", GNMIAddress: "127.0.0.1:0"})
	address := sw.GNMIAddress().String()
	c := connect(t, sw)
	c.push(config)
	states := watch(t, sw)
	until(t, states, "at first", fresh(program))

	sw.Faults().HangGNMI(true)
	if err := sw.SetProfile(profile(t, "cisco-vic")); err != nil {
		t.Fatal(err)
	}
	until(t, states, "gNMI hangs", stale(program))
	sw.Faults().HangGNMI(false)
	now := both(t, profile(t, "cisco-vic"))
	until(t, states, "it answers again", fresh(now))

	sw.CloseGNMI()
	until(t, states, "gNMI is gone", stale(now))
	if _, err := c.Capabilities(t.Context(), &p4v1.CapabilitiesRequest{DeviceId: 3}); err != nil {
		t.Errorf("P4Runtime goes on: %v", err)
	}
	for range 2 {
		if err := sw.OpenGNMI(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, states, "it is back", fresh(now))

	if err := sw.CutConnections(); err != nil {
		t.Fatal(err)
	}
	until(t, states, "cut off and back", fresh(now))
	outside, err := gnmi.Dial(address, gnmi.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	if have, err := outside.Ask(t.Context()); err != nil || have.Name != "leaf" {
		t.Errorf("at the address that it had: %+v, %v", have, err)
	}
}

func BenchmarkSetProfile(b *testing.B) {
	config, _ := nve(b)
	sw := run(b, target.Options{Name: "leaf"})
	connect(b, sw).push(config)
	products := []*capabilities.Capability{profile(b, "cisco-vic"), profile(b, "tofino-option-window")}
	for n := 0; b.Loop(); n++ {
		if err := sw.SetProfile(products[n%2]); err != nil {
			b.Fatal(err)
		}
	}
}
