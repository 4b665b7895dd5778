package p4rt_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/testbed/p4rt"
)

// Section 5.3: a new primary is not told that it is one before the writes of
// the old one are done, and nobody may begin one meanwhile.
func TestHandoverWaitsForWrites(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f, old := start(t, func(o *p4rt.Options) {
		o.Allow = func(*p4v1.Update) error {
			once.Do(func() {
				close(begun)
				<-finish
			})
			return nil
		}
	})
	third := f.open()
	third.arbitrate(nil)
	written := make(chan error, 1)
	go func() { written <- f.write(f.request(f.insert(exact(1, forward(1))))) }()
	<-begun
	next := f.open()
	next.sendArbitration(&p4v1.MasterArbitrationUpdate{DeviceId: device, ElectionId: election(2)})
	for _, s := range []*stream{old, third} {
		m := s.next().GetArbitration()
		if m.GetStatus().GetCode() != int32(codes.AlreadyExists) || m.GetElectionId().GetLow() != 2 {
			t.Errorf("the others: %v", m)
		}
	}
	next.quiet()
	close(finish)
	if err := <-written; err != nil {
		t.Errorf("the write that had begun: %v", err)
	}
	if m := next.next().GetArbitration(); m.GetStatus().GetCode() != int32(codes.OK) {
		t.Errorf("the new primary: %v", m)
	}
	if err := f.write(f.request()); !isCode(err, codes.PermissionDenied) {
		t.Errorf("a write of the old primary: %v", err)
	}
}

// Section 13: what is read does not depend on how much a client takes at once.
func TestReadOfMoreThanOneMessage(t *testing.T) {
	f, _ := start(t)
	big := bytes.Repeat([]byte{'x'}, 32<<10)
	for i := range 10 {
		var batch []*p4v1.Update
		for _, u := range batchOf(f, p4v1.Update_INSERT, 20) {
			e := u.GetEntity().GetTableEntry()
			e.Match[0].GetExact().Value[0] = byte(i + 1)
			e.Metadata = big
			batch = append(batch, u)
		}
		f.apply(batch...)
	}
	got := f.read(f.entity(`table_entry { table_id: $exact_table$ }`)) // more than 6 MB
	if len(got) != 200 {
		t.Errorf("%d entries", len(got))
	}
}

// "Guidelines for Implementations": the outcome of a batch is as long as the
// batch, and a client has to take it. With the default of gRPC-Go it does.
func TestLongStatus(t *testing.T) {
	f, _ := start(t)
	updates := batchOf(f, p4v1.Update_DELETE, 1000)
	got := f.outcomes(p4v1.WriteRequest_CONTINUE_ON_ERROR, updates...)
	if len(got) != 1000 || slices.ContainsFunc(got, func(c codes.Code) bool { return c != codes.NotFound }) {
		t.Errorf("%d outcomes", len(got))
	}
	// A client with the 8 KB that other implementations have as default gets
	// an error, and the server goes on.
	conn, err := grpc.NewClient("passthrough:///server",
		grpc.WithContextDialer(f.dial), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithMaxHeaderListSize(8<<10))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := p4v1.NewP4RuntimeClient(conn).Write(f.context(), f.request(updates...)); err == nil || isCode(err, codes.Unknown) {
		t.Errorf("with 8 KB: %v", err)
	}
	f.apply(f.insert(exact(1, forward(1))))
}

// The programs of this project are programs that this target realizes.
func TestProgramsOfThisProject(t *testing.T) {
	f := newFixture(t)
	f.open().arbitrate(election(1))
	for name, load := range map[string]func() (*p4.Program, error){"nve": p4.NVE, "transit": p4.Transit} {
		program, err := load()
		if err != nil {
			t.Fatal(err)
		}
		config := &p4v1.ForwardingPipelineConfig{P4Info: program.P4Info, P4DeviceConfig: program.DeviceConfig}
		if err := f.setConfig(commitNow, config); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := f.setConfig(reconcile, config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, e := range []*p4v1.Entity{
			{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{}}},
			{Entity: &p4v1.Entity_CounterEntry{CounterEntry: &p4v1.CounterEntry{}}},
			{Entity: &p4v1.Entity_DirectCounterEntry{DirectCounterEntry: &p4v1.DirectCounterEntry{}}},
			{Entity: &p4v1.Entity_MeterEntry{MeterEntry: &p4v1.MeterEntry{}}},
			{Entity: &p4v1.Entity_RegisterEntry{RegisterEntry: &p4v1.RegisterEntry{}}},
		} {
			f.read(e)
		}
		for _, table := range config.P4Info.GetTables() {
			got := f.read(&p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{
				TableId: table.GetPreamble().GetId(), IsDefaultAction: true}}})
			if len(got) != 1 || got[0].GetTableEntry().GetAction() == nil {
				t.Errorf("%s: default entry of %s: %v", name, table.GetPreamble().GetName(), fmt.Sprint(got))
			}
		}
	}
}
