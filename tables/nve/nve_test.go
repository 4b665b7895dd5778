package nve_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/proto/ethernet"
	"github.com/keyway-nve/keyway/tables"
	"github.com/keyway-nve/keyway/tables/nve"
)

func schema(t testing.TB) *tables.Schema {
	t.Helper()
	program, err := p4.NVE()
	if err != nil {
		t.Fatal(err)
	}
	s, err := tables.NewSchema(program.P4Info)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tunnel is all that an NVE needs to send VN 5001 to another over Geneve with
// one option, and to receive it: the words of the option are its header and
// the sender's group.
func tunnel() *tables.Set {
	var (
		set    tables.Set
		local  = netip.MustParseAddr("192.0.2.1")
		remote = netip.MustParseAddr("192.0.2.2")
		header = uint32(0xff01_0101)
		layout = uint16(7)
	)
	set.Add(nve.AttachmentKey{Port: 256}.Attach(5001, 20, 0))
	set.Add(nve.EndpointKey{VNI: 5001, MAC: ethernet.MAC{2, 0, 0, 0, 0, 2}}.Remote(3, 0))
	set.Add(nve.EndpointKey{VNI: 5001, MAC: ethernet.MAC{2, 0, 0, 0, 0, 1}}.Local(256, 20))
	set.Add(nve.FloodKey{VNI: 5001}.Replicate(9))
	set.Add(tables.MulticastGroup{ID: 9, Replicas: []tables.Replica{{Port: 1, Instance: 3}, {Port: 256}}}, nil)
	set.Add(nve.UnderlayPathKey{Tunnel: 3}.Via(1))
	set.Add(nve.TunnelKey{Tunnel: 3}.GeneveIPv4(local, remote, 0, 64, true, layout, 1, 1500))
	set.Add(nve.NeighborKey{NextHop: 1}.Resolve(ethernet.MAC{2, 1}, ethernet.MAC{2, 2}))
	set.Add(nve.SendLayoutKey{Layout: layout}.Options(2, false, 0x01))
	set.Add(nve.PlaceKey{Instance: nve.PlaceWord(0), Layout: layout}.Constant(header))
	set.Add(nve.PlaceKey{Instance: nve.PlaceWord(1), Layout: layout}.Group(0, 16))
	set.Add(nve.OptionLayoutKey{
		OptLen: tables.Is[uint8](2), Word: [16]tables.Masked[uint32]{0: {Value: header, Mask: 0xffff_ff1f}}, Priority: 10,
	}.Bind(layout, 0x01))
	set.Add(nve.ReadKey{Instance: nve.ReadGroup, Layout: layout}.FromWord(1, 16))
	set.Add(nve.VirtualNetworkKey{VNI: 5001}.Member())
	set.Add(nve.SourceNVEKey{VNI: 5001, Address: remote}.Allow(1, false))
	set.Add(nve.LocalAddressKey{Address: local}.Terminate())
	set.Add(nve.GroupPolicyKey{VNI: 5001, SourceGroup: tables.Is[uint16](20), Priority: 1}.Permit())
	set.Add(nve.DefaultNodeIdentity(1))
	return &set
}

// TestTunnel: the program takes what the bindings make, and a plan puts what
// is pointed at first.
func TestTunnel(t *testing.T) {
	s := schema(t)
	set := tunnel()
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(set.Entities); err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, b := range s.Plan(nil, set.Entities, tables.PlanOptions{}) {
		updates, err := s.EncodeBatch(b)
		if err != nil {
			t.Fatal(err)
		}
		for j, u := range b {
			at[u.Entity.Key()] = i
			if e, ok := u.Entity.(tables.Entry); ok {
				at[e.Table] = max(at[e.Table], i)
			}
			back, err := s.Decode(updates[j].GetEntity())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(u.Entity, back); diff != "" {
				t.Errorf("%v after encoding and decoding:\n%s", u, diff)
			}
		}
	}
	for _, order := range [][2]string{
		{nve.TableVirtualNetwork, nve.TableEndpoint},
		{nve.TableVirtualNetwork, nve.TableAttachment},
		{nve.TableNeighbor, nve.TableTunnel},
		{nve.TableSendLayout, nve.TableTunnel},
		{nve.TableTunnel, nve.TableUnderlayPath},
		{nve.TableUnderlayPath, nve.TableEndpoint},
		{"multicast group 9", nve.TableFlood},
		{nve.ReadGroup.Table(), nve.TableOptionLayout},
		{nve.PlaceWord1.Table(), nve.TableSendLayout},
		{nve.TableTunnel, "multicast group 9"},
	} {
		if at[order[0]] >= at[order[1]] {
			t.Errorf("%s in batch %d, %s in batch %d", order[0], at[order[0]], order[1], at[order[1]])
		}
	}
}

func Example() {
	program, err := p4.NVE()
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := tables.NewSchema(program.P4Info)
	if err != nil {
		fmt.Println(err)
		return
	}

	var set tables.Set
	set.Add(nve.EndpointKey{VNI: 5001, MAC: ethernet.MAC{2, 0, 0, 0, 0, 1}}.Local(256, 20))
	set.Add(nve.PlaceKey{Instance: nve.PlaceWord(3), Layout: 7}.Sequence(0, 0))
	set.Add(nve.EndpointKey{VNI: 1 << 24}.Local(512, 20))
	for _, e := range set.Entities {
		fmt.Println(s.Text(e))
	}
	fmt.Println(set.Err())
	// Output:
	// NveIngress.forward.endpoint vni=5001 mac=02:00:00:00:00:01 -> local(port=256, group=20)
	// NveEgress.encapsulate.send_options.word3.place layout=7 -> sequence(base=0, shift=0)
	// NveIngress.forward.endpoint: field vni: value out of range: needs 25 bits, field has 24
	// NveIngress.forward.endpoint: action local parameter port: value out of range: needs 10 bits, field has 9
}
