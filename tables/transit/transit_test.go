package transit_test

import (
	"net/netip"
	"testing"

	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/transit"
)

// TestRoutes: an IPv4 route is one of mapped addresses, as the program has it.
func TestRoutes(t *testing.T) {
	program, err := p4.Transit()
	if err != nil {
		t.Fatal(err)
	}
	s, err := tables.NewSchema(program.P4Info)
	if err != nil {
		t.Fatal(err)
	}
	a, b := ethernet.MAC{2, 1}, ethernet.MAC{2, 2}
	var set tables.Set
	set.Add(transit.RouteKey{IPv4: true, Destination: netip.MustParsePrefix("192.0.2.9/24")}.Forward(1, a, b))
	set.Add(transit.RouteKey{Destination: netip.MustParsePrefix("2001:db8::/32")}.Forward(2, a, b))
	set.Add(transit.InnerACLKey{
		VNI: tables.Is[uint32](5001), Source: tables.In(netip.MustParsePrefix("10.0.0.0/8")), Priority: 1,
	}.Deny())
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(set.Entities); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"TransitIngress.route.route ipv4=1 destination=::ffff:192.0.2.0/120 -> forward(port=1, source=02:01:00:00:00:00, destination=02:02:00:00:00:00)",
		"TransitIngress.route.route ipv4=0 destination=2001:db8::/32 -> forward(port=2, source=02:01:00:00:00:00, destination=02:02:00:00:00:00)",
		"TransitIngress.inner_acl.inner_acl vni=5001&&&0xffffff source=::ffff:10.0.0.0&&&0xffffffffffffffffffffffffff000000 priority=1 -> deny()",
	} {
		if got := s.Text(set.Entities[i]); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
