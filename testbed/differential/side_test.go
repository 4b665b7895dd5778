package differential

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/testbed/simpleswitch"
	"github.com/keyway-nve/keyway/testbed/target"
)

// CPU_PORT and DROP_PORT of p4/include/headers.p4.
const (
	cpuPort  = 510
	dropPort = 511
	deviceID = 1
)

// frame is a frame at a port; for packet-ins the port is the CPU port, and the
// metadata stands in front as on the wire.
type frame struct {
	port uint32
	data []byte
}

func (f frame) String() string { return fmt.Sprintf("port %d: %x", f.port, f.data) }

func compareFrames(a, b frame) int {
	return cmp.Or(cmp.Compare(a.port, b.port), bytes.Compare(a.data, b.data))
}

// side is one of the two switches, with a client that is its primary.
type side struct {
	name    string
	client  p4v1.P4RuntimeClient
	stream  p4v1.P4Runtime_StreamChannelClient
	inject  func(port uint32, data []byte)
	settle  func(context.Context) error
	primary chan struct{}
	// rounds is how often a packet may be queued anew, as clones in egress and
	// recirculated ones are: bmv2 is asked once more for each to settle.
	rounds int
	last   []*p4v1.PacketMetadata // of a packet-out to port 1

	mu      sync.Mutex
	out     []frame
	punted  []frame
	arrived chan struct{} // a packet-in or digest
	// digested and idle have each thing that was digested and each entry that
	// timed out, once: how often they are told depends on time.
	digested, idle map[string]bool
}

func newSide(name string) *side {
	return &side{name: name, primary: make(chan struct{}, 8), arrived: make(chan struct{}, 1), digested: make(map[string]bool), idle: make(map[string]bool)}
}

func (s *side) transmit(port uint32, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = append(s.out, frame{port, bytes.Clone(data)})
}

// embedded starts the one that is under test.
func embedded(t *testing.T) *side {
	t.Helper()
	s := newSide("embedded")
	sw, err := target.New(target.Options{DeviceID: deviceID, CPUPort: cpuPort, DropPort: dropPort, Output: s.transmit, Sweep: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := sw.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sw.Close(); err != nil {
			t.Error(err)
		}
	})
	s.inject, s.settle = sw.Inject, func(context.Context) error { return nil }
	conn, err := sw.Dial()
	if err != nil {
		t.Fatal(err)
	}
	s.connect(t, conn)
	return s
}

// reference starts bmv2.
func reference(t *testing.T, program simpleswitch.Program) *side {
	t.Helper()
	s := newSide("bmv2")
	sw, err := program.Start(t.Context(), simpleswitch.Options{DeviceID: deviceID, CPUPort: cpuPort, DropPort: dropPort, Output: s.transmit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sw.Close(); err != nil {
			t.Error(err)
		}
	})
	s.inject = func(port uint32, data []byte) {
		if err := sw.Inject(port, data); err != nil {
			t.Fatal(err)
		}
	}
	s.settle = sw.Settle
	conn, err := sw.Dial()
	if err != nil {
		t.Fatal(err)
	}
	s.connect(t, conn)
	return s
}

// connect becomes primary.
func (s *side) connect(t *testing.T, conn *grpc.ClientConn) {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	s.client = p4v1.NewP4RuntimeClient(conn)
	stream, err := s.client.StreamChannel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			s.message(m)
		}
	}()
	s.stream = stream
	err = stream.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Arbitration{Arbitration: &p4v1.MasterArbitrationUpdate{
		DeviceId: deviceID, ElectionId: election(),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	<-s.primary
}

func election() *p4v1.Uint128 { return &p4v1.Uint128{Low: 1} }

func (s *side) message(m *p4v1.StreamMessageResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m := m.GetUpdate().(type) {
	case *p4v1.StreamMessageResponse_Arbitration:
		s.primary <- struct{}{}
	case *p4v1.StreamMessageResponse_Packet:
		var data []byte
		for _, md := range m.Packet.GetMetadata() {
			data = append(fmt.Appendf(data, "%d=", md.GetMetadataId()), md.GetValue()...)
		}
		s.punted = append(s.punted, frame{cpuPort, append(data, m.Packet.GetPayload()...)})
	case *p4v1.StreamMessageResponse_Digest:
		for _, d := range m.Digest.GetData() {
			if text, err := compact(d); err == nil {
				s.digested[fmt.Sprintf("%d %s", m.Digest.GetDigestId(), text)] = true
			}
		}
	case *p4v1.StreamMessageResponse_IdleTimeoutNotification:
		for _, te := range m.IdleTimeoutNotification.GetTableEntry() {
			if text, err := compact(identity(te)); err == nil {
				s.idle[string(text)] = true
			}
		}
	}
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// push sets the program.
func (s *side) push(t *testing.T, info *p4configv1.P4Info, config []byte) {
	t.Helper()
	_, err := s.client.SetForwardingPipelineConfig(t.Context(), &p4v1.SetForwardingPipelineConfigRequest{
		DeviceId: deviceID, ElectionId: election(), Action: p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT,
		Config: &p4v1.ForwardingPipelineConfig{P4Info: info, P4DeviceConfig: config, Cookie: &p4v1.ForwardingPipelineConfig_Cookie{Cookie: 1}},
	})
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	s.last = nil
	for _, h := range info.GetControllerPacketMetadata() {
		for i, m := range h.GetMetadata() {
			if h.GetPreamble().GetName() == "packet_out" {
				s.last = append(s.last, &p4v1.PacketMetadata{MetadataId: m.GetId(), Value: []byte{byte(1 / (i + 1))}})
			}
		}
	}
}

// write returns the code of an update that is alone in its request, and what the
// server says.
func (s *side) write(ctx context.Context, u *p4v1.Update) (codes.Code, string) {
	_, err := s.client.Write(ctx, &p4v1.WriteRequest{DeviceId: deviceID, ElectionId: election(), Updates: []*p4v1.Update{u}})
	return verdict(err)
}

// verdict returns the code and message of the entity that a request of one
// failed for.
func verdict(err error) (codes.Code, string) {
	st := status.Convert(err)
	for _, d := range st.Details() {
		if e, ok := d.(*p4v1.Error); ok && e.GetCanonicalCode() != 0 {
			return codes.Code(e.GetCanonicalCode()), e.GetMessage()
		}
	}
	return st.Code(), st.Message()
}

// read returns the entities that a request yields.
func (s *side) read(ctx context.Context, entities ...*p4v1.Entity) ([]*p4v1.Entity, error) {
	stream, err := s.client.Read(ctx, &p4v1.ReadRequest{DeviceId: deviceID, Entities: entities})
	var out []*p4v1.Entity
	for err == nil {
		var resp *p4v1.ReadResponse
		if resp, err = stream.Recv(); err == nil {
			out = append(out, resp.GetEntities()...)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return out, err
}

// process lets a frame arrive and returns what leaves.
func (s *side) process(t *testing.T, f frame) []frame {
	t.Helper()
	s.inject(f.port, f.data)
	return s.left(t)
}

// packetOut sends a packet as the controller does and returns what leaves. A
// second one tells when the switch is done with it.
func (s *side) packetOut(t *testing.T, p *p4v1.PacketOut) []frame {
	t.Helper()
	last := []byte("12345678that was all") // a program may write into what is in front
	for _, p := range []*p4v1.PacketOut{p, {Payload: last, Metadata: s.last}} {
		if err := s.stream.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Packet{Packet: p}}); err != nil {
			t.Fatal(err)
		}
	}
	isLast := func(f frame) bool { return f.port == 1 && bytes.HasSuffix(f.data, last[8:]) }
	for patience := time.Now().Add(2 * time.Second); ; time.Sleep(50 * time.Microsecond) {
		s.mu.Lock()
		done := slices.ContainsFunc(s.out, isLast)
		s.mu.Unlock()
		if done {
			return slices.DeleteFunc(s.left(t), isLast)
		}
		if time.Now().After(patience) {
			t.Fatalf("%s: nothing left after packet-out %v", s.name, p)
		}
	}
}

// left returns what has left, in an order that does not depend on the switch's
// threads.
func (s *side) left(t *testing.T) []frame {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	for range 1 + s.rounds {
		if err := s.settle(ctx); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.out
	s.out = nil
	slices.SortFunc(out, compareFrames)
	return out
}

// told returns the packet-ins so far, what was digested and what timed out. It
// waits a moment until there are as many of each as there should be.
func (s *side) told(punts, digests, idle int) (punted []frame, digested, timedOut []string) {
	patience := time.After(2 * time.Second)
	for waiting := true; ; {
		s.mu.Lock()
		punted, digested, timedOut = slices.Clone(s.punted), slices.Sorted(maps.Keys(s.digested)), slices.Sorted(maps.Keys(s.idle))
		s.mu.Unlock()
		if !waiting || len(punted) >= punts && len(digested) >= digests && len(timedOut) >= idle {
			return punted, digested, timedOut
		}
		select {
		case <-s.arrived:
		case <-patience:
			waiting = false
		}
	}
}

// program returns what to push: a program of this project, but with a clock
// that stands still at 0, so that what is made of timestamps can be compared
// too. Neither switch sets a timestamp that the program has no alias for.
func program(t *testing.T, load func() (*p4.Program, error)) (*p4configv1.P4Info, []byte) {
	t.Helper()
	p, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return p.P4Info, timeless(t, p.DeviceConfig)
}

// timeless returns a program whose clock stands still at 0.
func timeless(t *testing.T, b []byte) []byte {
	t.Helper()
	var config map[string]json.RawMessage
	err := json.Unmarshal(b, &config)
	if err != nil {
		t.Fatal(err)
	}
	var aliases [][2]json.RawMessage
	if err := json.Unmarshal(config["field_aliases"], &aliases); err != nil {
		t.Fatal(err)
	}
	aliases = slices.DeleteFunc(aliases, func(a [2]json.RawMessage) bool { return strings.Contains(string(a[0]), "global_timestamp") })
	if config["field_aliases"], err = json.Marshal(aliases); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
