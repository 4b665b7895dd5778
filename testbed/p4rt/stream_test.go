package p4rt_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/keyway-nve/keyway/testbed/p4rt"
	"github.com/keyway-nve/keyway/testbed/p4rt/arbitration"
)

// roleOfTables sets a scheme of roles: with a configuration, a role owns
// tables only and is barred from packet I/O as it says.
func roleOfTables(o *p4rt.Options) {
	o.Roles = func(_ string, config *anypb.Any) (arbitration.Scope, error) {
		if config == nil {
			return arbitration.Scope{}, nil
		}
		v := &wrapperspb.BoolValue{}
		if err := config.UnmarshalTo(v); err != nil {
			return arbitration.Scope{}, err
		}
		return arbitration.Scope{
			Owns:       func(e *p4v1.Entity) bool { return e.GetTableEntry() != nil },
			NoPacketIn: v.GetValue(), NoPacketOut: v.GetValue(),
		}, nil
	}
}

func tablesRole(t *testing.T) *p4v1.Role {
	t.Helper()
	config, err := anypb.New(wrapperspb.Bool(true))
	if err != nil {
		t.Fatal(err)
	}
	return &p4v1.Role{Name: "tables", Config: config}
}

// Section 5, on real streams: the transcripts of package arbitration say the
// rest.
func TestArbitrationOnStreams(t *testing.T) {
	f := newFixture(t, func(o *p4rt.Options) { o.MaxClients = 3 })
	a, b := f.open(), f.open()
	if m := a.arbitrate(election(10)); m.GetStatus().GetCode() != int32(codes.OK) || m.GetDeviceId() != device {
		t.Errorf("first: %v", m)
	}
	if m := b.arbitrate(election(9)); m.GetStatus().GetCode() != int32(codes.AlreadyExists) || m.GetElectionId().GetLow() != 10 {
		t.Errorf("second: %v", m)
	}
	a.quiet()
	a.cancel()
	if m := b.next().GetArbitration(); m.GetStatus().GetCode() != int32(codes.NotFound) {
		t.Errorf("after the primary left: %v", m)
	}
	c := f.open()
	c.arbitrate(election(10))
	if m := b.next().GetArbitration(); m.GetStatus().GetCode() != int32(codes.AlreadyExists) {
		t.Errorf("after a new one came: %v", m)
	}
	if err := c.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := <-c.end; !errors.Is(err, io.EOF) {
		t.Errorf("the end of a stream: %v", err)
	}
	if m := b.next().GetArbitration(); m.GetStatus().GetCode() != int32(codes.NotFound) {
		t.Errorf("after the primary closed: %v", m)
	}
	for _, c := range []struct {
		name string
		m    *p4v1.MasterArbitrationUpdate
		want codes.Code
	}{
		{"unknown device", &p4v1.MasterArbitrationUpdate{DeviceId: 8, ElectionId: election(1)}, codes.NotFound},
		{"election id in use", &p4v1.MasterArbitrationUpdate{DeviceId: device, ElectionId: election(9)}, codes.InvalidArgument},
	} {
		s := f.open()
		s.sendArbitration(c.m)
		if got := s.ended(); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	f.open().arbitrate(nil)
	f.open().arbitrate(nil)
	s := f.open()
	s.sendArbitration(&p4v1.MasterArbitrationUpdate{DeviceId: device})
	if got := s.ended(); got != codes.ResourceExhausted {
		t.Errorf("one too many: %v", got)
	}
	b.sendArbitration(&p4v1.MasterArbitrationUpdate{DeviceId: device, ElectionId: election(9), Role: &p4v1.Role{Name: "x"}})
	if got := b.ended(); got != codes.FailedPrecondition {
		t.Errorf("role changes: %v", got)
	}
}

func packetOut(payload []byte, metadata ...*p4v1.PacketMetadata) *p4v1.StreamMessageRequest {
	return &p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Packet{
		Packet: &p4v1.PacketOut{Payload: payload, Metadata: metadata}}}
}

func metadata(id uint32, value ...byte) *p4v1.PacketMetadata {
	return &p4v1.PacketMetadata{MetadataId: id, Value: value}
}

// Section 16.1.
func TestPacketOut(t *testing.T) {
	left := make(chan frame, 10)
	f, s := start(t, func(o *p4rt.Options) {
		o.Output = func(port uint32, data []byte) { left <- frame{port, string(data)} }
	})
	payload := probe(toTables, 1, 0, 0)
	s.send(packetOut(payload, metadata(2, 0), metadata(3, 0), metadata(1, 1, 2))) // in any order
	if got := <-left; got != (frame{258, string(payload)}) {
		t.Errorf("got %v", got)
	}
	// Through the tables.
	f.apply(f.insert(exact(1, forward(6))))
	s.send(packetOut(payload, metadata(1, 0), metadata(2, 1), metadata(3, 0)))
	if got := <-left; got != (frame{6, string(payload)}) {
		t.Errorf("got %v", got)
	}
	for _, c := range []struct {
		name string
		m    *p4v1.StreamMessageRequest
		want codes.Code
	}{
		{"metadata missing", packetOut(payload, metadata(1, 1), metadata(2, 0)), codes.InvalidArgument},
		{"unknown metadata", packetOut(payload, metadata(1, 1), metadata(2, 0), metadata(3, 0), metadata(7, 0)), codes.InvalidArgument},
		{"metadata twice", packetOut(payload, metadata(1, 1), metadata(2, 0), metadata(3, 0), metadata(3, 0)), codes.InvalidArgument},
		{"metadata out of range", packetOut(payload, metadata(1, 2, 0), metadata(2, 0), metadata(3, 0)), codes.InvalidArgument},
		{"metadata empty", packetOut(payload, metadata(1), metadata(2, 0), metadata(3, 0)), codes.InvalidArgument},
	} {
		s.send(c.m)
		e := s.next().GetError()
		if codes.Code(e.GetCanonicalCode()) != c.want {
			t.Errorf("%s: %v", c.name, e)
		}
		if diff := cmp.Diff(c.m.GetPacket(), e.GetPacketOut().GetPacketOut(), protocmp.Transform()); diff != "" {
			t.Errorf("%s: the packet of the error (-want +got):\n%s", c.name, diff)
		}
	}
	b := f.open()
	b.arbitrate(nil)
	b.send(packetOut(payload, metadata(1, 1), metadata(2, 0), metadata(3, 0)))
	if e := b.next().GetError(); codes.Code(e.GetCanonicalCode()) != codes.PermissionDenied {
		t.Errorf("from a backup: %v", e)
	}
	select {
	case x := <-left:
		t.Errorf("a refused packet left: %v", x)
	default:
	}
}

func TestPacketIn(t *testing.T) {
	f, s := start(t)
	backup := f.open()
	backup.arbitrate(nil)
	frame := probe(toCPU, 0x0102, 0, 0)
	f.server.Process(300, frame)
	want := &p4v1.PacketIn{Payload: frame, Metadata: []*p4v1.PacketMetadata{metadata(1, 1, 44), metadata(2, 0), metadata(3, 1, 2)}}
	if diff := cmp.Diff(want, s.next().GetPacket(), protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	backup.quiet()
	if got := f.frames(); len(got) != 0 {
		t.Errorf("frames %v", got)
	}
	// A large one.
	big := append(frame, bytes.Repeat([]byte{7}, 1<<16)...)
	f.server.Process(1, big)
	if got := s.next().GetPacket().GetPayload(); !bytes.Equal(got, big) {
		t.Errorf("%d bytes", len(got))
	}
}

// Section 5.2: what a role's configuration says of packet I/O.
func TestPacketIOByRole(t *testing.T) {
	f, s := start(t, roleOfTables)
	barred := f.open()
	barred.sendArbitration(&p4v1.MasterArbitrationUpdate{DeviceId: device, ElectionId: election(1), Role: tablesRole(t)})
	barred.next()
	f.server.Process(1, probe(toCPU, 1, 0, 0))
	if s.next().GetPacket() == nil {
		t.Error("no packet for the default role")
	}
	barred.quiet()
	barred.send(packetOut(nil, metadata(1, 1), metadata(2, 0), metadata(3, 0)))
	if e := barred.next().GetError(); codes.Code(e.GetCanonicalCode()) != codes.PermissionDenied {
		t.Errorf("packet out: %v", e)
	}
}

// Section 16.6.
func TestStreamErrors(t *testing.T) {
	f, s := start(t)
	s.send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_DigestAck{DigestAck: &p4v1.DigestListAck{DigestId: 5}}})
	if e := s.next().GetError(); codes.Code(e.GetCanonicalCode()) != codes.InvalidArgument || e.GetDigestListAck().GetDigestListAck().GetDigestId() != 5 {
		t.Errorf("digest ack: %v", e)
	}
	s.send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Other{Other: &anypb.Any{TypeUrl: "x"}}})
	if e := s.next().GetError(); codes.Code(e.GetCanonicalCode()) != codes.Unimplemented || e.GetOther().GetOther().GetTypeUrl() != "x" {
		t.Errorf("other: %v", e)
	}
	s.send(&p4v1.StreamMessageRequest{})
	if e := s.next().GetError(); codes.Code(e.GetCanonicalCode()) != codes.InvalidArgument {
		t.Errorf("empty: %v", e)
	}
	b := f.open()
	b.send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_DigestAck{DigestAck: &p4v1.DigestListAck{DigestId: 5}}})
	if e := b.next().GetError(); codes.Code(e.GetCanonicalCode()) != codes.PermissionDenied {
		t.Errorf("digest ack before arbitration: %v", e)
	}

	f = newFixture(t)
	s = f.open()
	s.arbitrate(election(1))
	s.send(packetOut(nil))
	if e := s.next().GetError(); codes.Code(e.GetCanonicalCode()) != codes.FailedPrecondition {
		t.Errorf("packet out without a config: %v", e)
	}
	_, s = start(t, func(o *p4rt.Options) { o.CPUPort = 0 })
	s.send(packetOut(nil))
	if e := s.next().GetError(); codes.Code(e.GetCanonicalCode()) != codes.FailedPrecondition {
		t.Errorf("packet out without a CPU port: %v", e)
	}
}

// Section 17.
func TestCapabilities(t *testing.T) {
	f := newFixture(t)
	for id, want := range map[uint64]codes.Code{0: codes.OK, device: codes.OK, 8: codes.NotFound} {
		r, err := f.client.Capabilities(f.context(), &p4v1.CapabilitiesRequest{DeviceId: id})
		if status.Code(err) != want || err == nil && r.GetP4RuntimeApiVersion() != "1.5.0" {
			t.Errorf("device %d: %v, %v", id, r, err)
		}
	}
}

// Section 13.
func TestReadChecks(t *testing.T) {
	f := newFixture(t)
	if _, err := f.tryRead(&p4v1.ReadRequest{DeviceId: 8}); status.Code(err) != codes.NotFound {
		t.Errorf("unknown device: %v", err)
	}
	if _, err := f.tryRead(&p4v1.ReadRequest{DeviceId: device}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("no config: %v", err)
	}
	f, _ = start(t)
	f.apply(f.insert(exact(1, forward(1))), f.insert(lpm(10, 8, forward(1))))
	got, err := f.tryRead(&p4v1.ReadRequest{DeviceId: device, Entities: []*p4v1.Entity{
		f.entity(`table_entry { table_id: $exact_table$ }`), f.entity(`table_entry { table_id: 5 }`),
		f.entity(`table_entry { table_id: $lpm_table$ }`), {}}})
	if len(got) != 2 {
		t.Errorf("entities of the valid requests: %v", got)
	}
	var outcome []codes.Code
	for _, d := range details(t, err) {
		outcome = append(outcome, codes.Code(d.GetCanonicalCode()))
	}
	if diff := cmp.Diff([]codes.Code{codes.OK, codes.InvalidArgument, codes.OK, codes.InvalidArgument}, outcome); diff != "" || status.Code(err) != codes.Unknown {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got := f.read(f.entity(`extern_entry { }`)); len(got) != 0 {
		t.Errorf("externs: %v", got)
	}
	if got := f.readCode(f.entity(`extern_entry { extern_type_id: 0x81 }`)); got != codes.Unimplemented {
		t.Errorf("an extern: %v", got)
	}
}
