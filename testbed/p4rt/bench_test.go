package p4rt_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"
)

// batchOf returns n updates of the exact table.
func batchOf(f *fixture, op p4v1.Update_Type, n int) []*p4v1.Update {
	one := f.entity(exact(1, forward(1))).GetTableEntry()
	var out []*p4v1.Update
	for i := range n {
		e := proto.CloneOf(one)
		e.Match[0].GetExact().Value = []byte{byte(1 + i>>8), byte(i)}
		out = append(out, &p4v1.Update{Type: op, Entity: &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: e}}})
	}
	return out
}

var batchSizes = []int{1, 100, 1000}

// BenchmarkWrite inserts and deletes entries over gRPC, in batches.
func BenchmarkWrite(b *testing.B) {
	for _, mode := range []p4v1.WriteRequest_Atomicity{p4v1.WriteRequest_CONTINUE_ON_ERROR, p4v1.WriteRequest_DATAPLANE_ATOMIC} {
		for _, n := range batchSizes {
			b.Run(fmt.Sprintf("%v/batch=%d", mode, n), func(b *testing.B) {
				f, _ := start(b)
				insert := f.request(batchOf(f, p4v1.Update_INSERT, n)...)
				remove := f.request(batchOf(f, p4v1.Update_DELETE, n)...)
				insert.Atomicity, remove.Atomicity = mode, mode
				ctx := b.Context()
				for b.Loop() {
					if _, err := f.client.Write(ctx, insert); err != nil {
						b.Fatal(err)
					}
					if _, err := f.client.Write(ctx, remove); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(2*n*b.N)/b.Elapsed().Seconds(), "entries/s")
			})
		}
	}
}

// BenchmarkRead reads a table with that many entries over gRPC.
func BenchmarkRead(b *testing.B) {
	for _, counters := range []bool{false, true} {
		for _, n := range batchSizes {
			b.Run(fmt.Sprintf("counters=%v/entries=%d", counters, n), func(b *testing.B) {
				f, _ := start(b)
				f.apply(batchOf(f, p4v1.Update_INSERT, n)...)
				e := f.entity(`table_entry { table_id: $exact_table$ }`)
				if counters {
					e.GetTableEntry().CounterData = &p4v1.CounterData{}
				}
				req := &p4v1.ReadRequest{DeviceId: device, Entities: []*p4v1.Entity{e}}
				ctx := b.Context()
				for b.Loop() {
					r, err := f.client.Read(ctx, req)
					if err != nil {
						b.Fatal(err)
					}
					got := 0
					for {
						m, err := r.Recv()
						if errors.Is(err, io.EOF) {
							break
						}
						if err != nil {
							b.Fatal(err)
						}
						got += len(m.GetEntities())
					}
					if got != n {
						b.Fatalf("%d entries", got)
					}
				}
				b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "entries/s")
			})
		}
	}
}

// BenchmarkPacketIn punts frames to a client that reads them.
func BenchmarkPacketIn(b *testing.B) {
	f, _ := start(b)
	s, err := f.client.StreamChannel(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Arbitration{
		Arbitration: &p4v1.MasterArbitrationUpdate{DeviceId: device, ElectionId: election(9)}}}); err != nil {
		b.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		b.Fatal(err)
	}
	frame := probe(toCPU, 1, 0, 0)
	b.ReportAllocs()
	for b.Loop() {
		f.server.Process(1, frame)
		m, err := s.Recv()
		if err != nil || m.GetPacket() == nil {
			b.Fatal(m, err)
		}
	}
}
