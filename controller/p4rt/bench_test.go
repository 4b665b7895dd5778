package p4rt_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/keyway-nve/keyway/controller/p4rt"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
	testbed "github.com/keyway-nve/keyway/testbed/p4rt"
)

// serve starts an embedded target and returns a way to it.
func serve(b testing.TB) grpc.DialOption {
	lis := bufconn.Listen(1 << 20)
	server := testbed.New(testbed.Options{DeviceID: deviceID})
	g := server.GRPC()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = g.Serve(lis)
	}()
	b.Cleanup(func() {
		server.Close()
		g.Stop()
		<-done
	})
	return grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) })
}

// nve returns a term with an embedded target that runs the NVE program.
func nve(b *testing.B, batch int) (*p4rt.Ready, *tables.Schema) {
	b.Helper()
	program, err := p4.NVE()
	if err != nil {
		b.Fatal(err)
	}
	schema, err := tables.NewSchema(program.P4Info)
	if err != nil {
		b.Fatal(err)
	}
	o := p4rt.Options{
		DeviceID: deviceID, ElectionID: p4rt.ElectionID{Low: 1}, BatchSize: batch,
		Pipeline: &p4rt.Pipeline{Info: program.P4Info, DeviceConfig: program.DeviceConfig},
	}
	s, err := p4rt.Dial("passthrough:target", o, serve(b), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	begun, done := make(chan *p4rt.Ready, 1), make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx, func(_ context.Context, r *p4rt.Ready) error { begun <- r; return nil })
	}()
	b.Cleanup(func() {
		cancel()
		<-done
		_ = s.Close()
	})
	return <-begun, schema
}

func endpoints(b *testing.B, s *tables.Schema, op p4v1.Update_Type, n int) []*p4v1.Update {
	b.Helper()
	us := make([]*p4v1.Update, n)
	for i := range us {
		pe, err := s.Encode(tables.Entry{
			Table:   "endpoint",
			Matches: []tables.Match{tables.Exact("vni", tables.Uint(uint32(5))), tables.Exact("mac", tables.Uint(uint64(i)))},
			Action: tables.Do("local",
				tables.Arg{Param: "port", Value: tables.Uint(uint16(300))},
				tables.Arg{Param: "group", Value: tables.Uint(uint16(1))}),
		})
		if err != nil {
			b.Fatal(err)
		}
		us[i] = &p4v1.Update{Type: op, Entity: pe}
	}
	return us
}

// BenchmarkWrite writes entries of an exact table with two fields, half of the
// time inserting them and half of the time deleting them, over gRPC on an
// in-memory pipe.
func BenchmarkWrite(b *testing.B) {
	for _, batch := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			r, s := nve(b, batch)
			insert := endpoints(b, s, p4v1.Update_INSERT, 1000)
			remove := endpoints(b, s, p4v1.Update_DELETE, 1000)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				us := insert
				if n/1000%2 == 1 {
					us = remove
				}
				at := n % 1000
				if err := r.Write(b.Context(), us[at:at+batch]...); err != nil {
					b.Fatal(err)
				}
				n += batch
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, held := range []int{1, 100, 1000, 10000} {
		b.Run(fmt.Sprintf("entries=%d", held), func(b *testing.B) {
			r, s := nve(b, 1000)
			us := endpoints(b, s, p4v1.Update_INSERT, held)
			if err := r.Write(b.Context(), us...); err != nil {
				b.Fatal(err)
			}
			filter := &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{
				TableId: us[0].GetEntity().GetTableEntry().GetTableId(),
			}}}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				for _, err := range r.Read(b.Context(), filter) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
