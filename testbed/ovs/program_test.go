package ovs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/controller/intent"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/testbed/ovs"
)

// written returns the layouts that an intent has by hand.
func written(in intent.Intent) func(sender, receiver string) []intent.OptionType {
	return func(sender, receiver string) (list []intent.OptionType) {
		for _, l := range in.Layouts {
			if l.Sender != sender || l.Receiver != receiver {
				continue
			}
			for _, name := range l.Options {
				o, _ := in.OptionType(name)
				list = append(list, o)
			}
		}
		return list
	}
}

func plan(t testing.TB, in intent.Intent) ovs.Program {
	t.Helper()
	p, err := ovs.Plan(in.Resolved(), "ovs", written(in))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Both ends do what one intent says, each in its own way, and understand each
// other.
func TestBothEndsByOneIntent(t *testing.T) {
	for _, over := range []string{"ipv4", "ipv6"} {
		t.Run(over, func(t *testing.T) {
			in := pair(t,
				intent.Layout{Sender: "ovs", Receiver: "leaf", Options: []string{"context", "mark", "site", "group"}},
				intent.Layout{Sender: "leaf", Receiver: "ovs", Options: []string{"group", "path-trace", "mark", "context", "sequence"}})
			if over == "ipv6" {
				in.Tunnels = bothWays()
			}
			in.GroupPolicies = append(in.GroupPolicies, intent.GroupPolicy{VirtualNetwork: "blue", From: 11, To: 20, Action: intent.Deny})
			in.Endpoints[1].Group = 11 // db-leaf
			p := plan(t, in)
			b := newBed(t, in, p.Node)
			b.flows(p.Flows...)
			for _, way := range [][2]string{{"vm-leaf", "vm-ovs"}, {"vm-ovs", "vm-leaf"}, {"vm-ovs", "db-leaf"}, {"red-leaf", "red-ovs"}, {"red-ovs", "red-leaf"}} {
				f := b.datagram(way[0], way[1], 1)
				b.send(way[0], f)
				b.delivered(way[1], f)
			}
			b.send("db-leaf", b.datagram("db-leaf", "vm-ovs", 2)) // which policy denies
			b.delivered("vm-ovs")

			everyone := ethernet.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
			for _, from := range []string{"vm-leaf", "vm-ovs"} {
				e, _ := in.Endpoint(from)
				f := inner(t, everyone, e.MAC, 3)
				b.send(from, f)
				for _, to := range []string{"vm-leaf", "db-leaf", "vm-ovs"} {
					if to != from {
						b.delivered(to, f)
					}
				}
			}
			b.delivered("red-leaf")
			b.delivered("red-ovs")
		})
	}
}

// The map has an order that all layouts have.
func TestPlanOrdersTheMap(t *testing.T) {
	in := pair(t)
	layouts := map[string][]string{
		"ovs leaf": {"context", "site"},
		"ovs nic":  {"group", "context"},
		"leaf ovs": {"site", "sequence"},
	}
	in.Devices = append(in.Devices, intent.Device{Name: "nic", Role: intent.RoleNVE})
	layout := func(sender, receiver string) (list []intent.OptionType) {
		for _, name := range layouts[sender+" "+receiver] {
			o, _ := in.OptionType(name)
			list = append(list, o)
		}
		return list
	}
	p, err := ovs.Plan(in.Resolved(), "ovs", layout)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(types(t, "group", "context", "site", "sequence"), p.Node.Options); diff != "" {
		t.Errorf("map: -want +got:\n%s", diff)
	}

	layouts["ovs nic"] = []string{"site", "context"}
	if _, err := ovs.Plan(in.Resolved(), "ovs", layout); !errors.Is(err, ovs.ErrOrder) {
		t.Errorf("error is %v, want %v", err, ovs.ErrOrder)
	}
	layouts["ovs leaf"] = []string{"sequence"}
	in.Endpoints[2].VLAN = 7
	if _, err := ovs.Plan(in.Resolved(), "ovs", layout); !errors.Is(err, ovs.ErrField) || !errors.Is(err, ovs.ErrTag) {
		t.Errorf("error is %v, want %v and %v", err, ovs.ErrField, ovs.ErrTag)
	}
}

func ExamplePlan() {
	in, err := intent.Load("testdata/pair.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	in.Layouts = []intent.Layout{{Sender: "ovs", Receiver: "leaf", Options: []string{"context", "group"}}}
	p, err := ovs.Plan(in.Resolved(), "ovs", written(in))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Node.Options)
	for _, f := range p.Flows {
		if strings.Contains(f, "dl_dst=02:00:00:00:b1:01") {
			fmt.Println(f)
		}
	}
	// Output:
	// {class=0x102,type=0x80,len=4}->tun_metadata0,{class=0xff00,type=0x1,len=4}->tun_metadata1
	// in_port=256,dl_dst=02:00:00:00:b1:01 actions=set_field:10.0.0.1->tun_dst,set_field:5000->tun_id,set_field:0x000090001->tun_metadata0,set_field:0x000000014->tun_metadata1,output:1
}
