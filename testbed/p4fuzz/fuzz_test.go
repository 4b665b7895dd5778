package p4fuzz

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"hash"
	"io"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/testbed/target"
)

var (
	seed     = flag.Uint64("p4fuzz.seed", 1, "what is drawn")
	duration = flag.Duration("p4fuzz.for", 2*time.Second, "how long to fuzz")
	address  = flag.String("p4fuzz.addr", "", "HOST:PORT of another server, instead of the embedded one")
	deviceID = flag.Uint64("p4fuzz.device-id", 1, "device of the other server")
)

// maxTrailers is room for the outcomes of a batch (appendix "gRPC Metadata
// Maximum Size").
const maxTrailers = 8 << 20

// entities is the program of the server's own tests, which has every kind of
// entity.
func entities(t testing.TB) *p4v1.ForwardingPipelineConfig {
	t.Helper()
	text, err := os.ReadFile("../p4rt/testdata/entities.p4info.txtpb")
	if err != nil {
		t.Fatal(err)
	}
	info := &p4configv1.P4Info{}
	if err := prototext.Unmarshal(text, info); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("../p4rt/testdata/entities.json")
	if err != nil {
		t.Fatal(err)
	}
	return &p4v1.ForwardingPipelineConfig{P4Info: info, P4DeviceConfig: program}
}

func configOf(t testing.TB, program func() (*p4.Program, error)) *p4v1.ForwardingPipelineConfig {
	t.Helper()
	p, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return &p4v1.ForwardingPipelineConfig{P4Info: p.P4Info, P4DeviceConfig: p.DeviceConfig}
}

// embedded returns a connection to a fresh embedded target.
func embedded(t testing.TB, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	s, err := target.New(target.Options{DeviceID: *deviceID, CPUPort: 510})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	conn, err := s.Dial(append(opts, grpc.WithMaxHeaderListSize(maxTrailers))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// variant is a program with another P4Info.
func variant(t testing.TB, change func(*p4configv1.P4Info)) *p4v1.ForwardingPipelineConfig {
	c := entities(t)
	change(c.P4Info)
	return c
}

// byMembers sizes selectors by their members, and has meters of one rate.
func byMembers(info *p4configv1.P4Info) {
	for _, p := range info.GetActionProfiles() {
		if p.GetWithSelector() {
			p.MaxGroupSize = 3
			p.SelectorSizeSemantics = &p4configv1.ActionProfile_SumOfMembers_{
				SumOfMembers: &p4configv1.ActionProfile_SumOfMembers{MaxMemberWeight: 2}}
		}
	}
	for _, m := range info.GetMeters() {
		m.Spec.Type = p4configv1.MeterSpec_SINGLE_RATE_TWO_COLOR
	}
	for _, m := range info.GetDirectMeters() {
		m.Spec.Type = p4configv1.MeterSpec_SINGLE_RATE_THREE_COLOR
	}
}

// noWeights has selectors without weights and groups of few, and counters that
// do not count both.
func noWeights(info *p4configv1.P4Info) {
	for _, p := range info.GetActionProfiles() {
		if p.GetWithSelector() {
			p.MaxGroupSize, p.WeightsDisallowed = 2, true
		}
	}
	for _, c := range info.GetCounters() {
		c.Spec.Unit = p4configv1.CounterSpec_PACKETS
	}
	for _, c := range info.GetDirectCounters() {
		c.Spec.Unit = p4configv1.CounterSpec_BYTES
	}
}

// TestServer looks for faults in the embedded server, or in another one:
//
//	go test ./testbed/p4fuzz -run Server -p4fuzz.for=1m -p4fuzz.seed=7 -v
//	go test ./testbed/p4fuzz -run Server/nve -p4fuzz.addr=localhost:9559 -v
//
// The time is that of all programs together. Arbitration has a test of its own,
// with the same seed and more games the longer the time is.
func TestServer(t *testing.T) {
	programs := []struct {
		name   string
		share  time.Duration // of 100
		config *p4v1.ForwardingPipelineConfig
	}{
		{"entities", 40, entities(t)},
		{"by_members", 10, variant(t, byMembers)},
		{"no_weights", 10, variant(t, noWeights)},
		{"nve", 25, configOf(t, p4.NVE)},
		{"transit", 15, configOf(t, p4.Transit)},
	}
	total := 0
	for _, c := range programs {
		t.Run(c.name, func(t *testing.T) {
			o := Options{DeviceID: *deviceID, Config: c.config, Seed: *seed, For: *duration * c.share / 100}
			var conn *grpc.ClientConn
			if *address == "" {
				o.InOrder, o.Deviations = true, Embedded()
				conn = embedded(t)
			} else {
				var err error
				conn, err = grpc.NewClient(*address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithMaxHeaderListSize(maxTrailers))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
			}
			report, err := Run(t.Context(), conn, o)
			if report != nil {
				t.Logf("%v", report)
				total += report.Updates
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Logf("%d updates", total)
}

// Batches may be such that no update depends on another, for servers that do
// them in any order (section 12.1).
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	if _, err := Run(t.Context(), embedded(t), Options{DeviceID: *deviceID, Config: entities(t), Seed: *seed, Episodes: 1, Deviations: Embedded()}); err != nil {
		t.Error(err)
	}
}

// What is drawn is the same each time, and everything there is is drawn.
func TestDraws(t *testing.T) {
	t.Parallel()
	var sent [2]hash.Hash
	var reports [2]*Report
	for i := range sent {
		sent[i] = sha256.New()
		l := lie{write: func(w *p4v1.WriteRequest) { io.WriteString(sent[i], wire(w)) }}
		r, err := Run(t.Context(), embedded(t, l.with()...), Options{DeviceID: *deviceID, Config: entities(t), Seed: 1, Episodes: 6,
			InOrder: true, Deviations: Embedded()})
		if err != nil {
			t.Fatal(err)
		}
		r.Took = 0
		reports[i] = r
	}
	if !bytes.Equal(sent[0].Sum(nil), sent[1].Sum(nil)) {
		t.Error("the same seed has written something else")
	}
	if diff := cmp.Diff(reports[0], reports[1]); diff != "" {
		t.Errorf("the same seed has had another outcome:\n%s", diff)
	}
	for _, s := range sources() {
		if reports[0].Valid[s.name] == 0 {
			t.Errorf("no %s was drawn", s.name)
		}
	}
	for _, m := range mutations() {
		if reports[0].Mutated[m.name] == 0 {
			t.Errorf("no update was mutated to %s", m.name)
		}
	}
}
