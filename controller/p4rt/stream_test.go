package p4rt_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyway-nve/keyway/controller/p4rt"
)

func TestStreamMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		s := start(t, d, primary())
		r := s.term()
		d.push <- packetIn("frame")
		d.push <- &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Digest{
			Digest: &p4v1.DigestList{DigestId: 4, ListId: 9},
		}}
		d.push <- &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_IdleTimeoutNotification{
			IdleTimeoutNotification: &p4v1.IdleTimeoutNotification{Timestamp: 5},
		}}
		d.push <- &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Error{
			Error: &p4v1.StreamError{CanonicalCode: int32(codes.InvalidArgument), Details: &p4v1.StreamError_PacketOut{}},
		}}
		d.push <- &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Other{}}
		if p := <-r.PacketsIn(); string(p.GetPayload()) != "frame" {
			t.Errorf("packet in: %v", p)
		}
		if n := <-r.IdleTimeouts(); n.GetTimestamp() != 5 {
			t.Errorf("idle timeout: %v", n)
		}
		l := <-r.Digests()
		if err := errors.Join(r.AckDigest(l), r.PacketOut(&p4v1.PacketOut{Payload: []byte("out")})); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want := []*p4v1.StreamMessageRequest{
			{Update: &p4v1.StreamMessageRequest_DigestAck{DigestAck: &p4v1.DigestListAck{DigestId: 4, ListId: 9}}},
			{Update: &p4v1.StreamMessageRequest_Packet{Packet: &p4v1.PacketOut{Payload: []byte("out")}}},
		}
		if diff := cmp.Diff(want, d.sent, protocmp.Transform()); diff != "" {
			t.Errorf("sent (-want +got):\n%s", diff)
		}
		st := s.Stats()
		if st.PacketsIn != 1 || st.PacketsOut != 1 || st.Digests != 1 || st.IdleTimeouts != 1 || st.StreamErrors != 1 {
			t.Errorf("stats %+v", st)
		}
		_ = s.stop()
		if err := r.PacketOut(&p4v1.PacketOut{}); err == nil {
			t.Error("packet out after the term's end")
		}
	})
}

// A reader that has stopped reading must not keep arbitration from us.
func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		o := primary()
		o.Queue = 3
		s := start(t, d, o)
		r := s.term()
		for i := range 10 {
			d.push <- packetIn(fmt.Sprint(i))
		}
		d.push <- arbitration(codes.AlreadyExists, low(5))
		synctest.Wait()
		if p := s.State().Phase; p != p4rt.PhaseStandby {
			t.Errorf("phase %v", p)
		}
		if st := s.Stats(); st.PacketsIn != 3 || st.PacketsDropped != 7 {
			t.Errorf("stats %+v", st)
		}
		for i := range 3 {
			if p := <-r.PacketsIn(); string(p.GetPayload()) != fmt.Sprint(i) {
				t.Errorf("packet %d: %s", i, p.GetPayload())
			}
		}
	})
}

func TestRead(t *testing.T) {
	send := func(s p4v1.P4Runtime_ReadServer, from, to int) error {
		resp := new(p4v1.ReadResponse)
		for i := from; i < to; i++ {
			resp.Entities = append(resp.Entities, entity(i))
		}
		return s.Send(resp)
	}
	tests := []struct {
		name   string
		device func(p4v1.P4Runtime_ReadServer) error
		stop   int // stop reading here; 0 reads all
		want   int
		code   codes.Code
		is     error
	}{
		{"nothing", func(p4v1.P4Runtime_ReadServer) error { return nil }, 0, 0, codes.OK, nil},
		{"two responses", func(s p4v1.P4Runtime_ReadServer) error {
			return errors.Join(send(s, 0, 3), send(s, 3, 5))
		}, 0, 5, codes.OK, nil},
		{"reader stops", func(s p4v1.P4Runtime_ReadServer) error {
			return errors.Join(send(s, 0, 3), send(s, 3, 5))
		}, 2, 2, codes.OK, nil},
		{"refused half way", func(s p4v1.P4Runtime_ReadServer) error {
			_ = send(s, 0, 3)
			return status.Error(codes.InvalidArgument, "no")
		}, 0, 3, codes.InvalidArgument, nil},
		{"unknown to the device", func(p4v1.P4Runtime_ReadServer) error {
			return status.Error(codes.Unimplemented, "registers")
		}, 0, 0, codes.Unimplemented, errors.ErrUnsupported},
		{"unknown to the device, said by filter", func(p4v1.P4Runtime_ReadServer) error {
			return perUpdate(&p4v1.Error{CanonicalCode: int32(codes.Unimplemented)})
		}, 0, 0, codes.Unimplemented, errors.ErrUnsupported},
		{"slow", func(s p4v1.P4Runtime_ReadServer) error {
			for i := range 5 {
				time.Sleep(20 * time.Second)
				_ = send(s, i, i+1)
			}
			return nil
		}, 0, 5, codes.OK, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newScript()
				d.onRead = tt.device
				n, last := 0, error(nil)
				for e, err := range start(t, d, primary()).term().Read(t.Context(), entity(0)) {
					if last = err; err != nil {
						continue
					}
					if got := int(e.GetTableEntry().GetPriority()); got != n {
						t.Errorf("entity %d is number %d", n, got)
					}
					if n++; n == tt.stop {
						break
					}
				}
				if n != tt.want || status.Code(last) != tt.code || tt.is != nil && !errors.Is(last, tt.is) {
					t.Errorf("%d entities, error %v", n, last)
				}
			})
		})
	}
}

func TestReadStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newScript()
		d.onRead = func(s p4v1.P4Runtime_ReadServer) error { <-s.Context().Done(); return nil }
		begin := time.Now()
		for _, err := range start(t, d, primary()).Read(t.Context()) {
			if err == nil || time.Since(begin) != 30*time.Second {
				t.Errorf("after %v: %v", time.Since(begin), err)
			}
		}
	})
}

func TestElectionID(t *testing.T) {
	ids := []p4rt.ElectionID{{}, {Low: 1}, {Low: 1<<64 - 1}, {High: 1}, {High: 1, Low: 1}, {High: 2}}
	texts := []string{"unset", "1", "18446744073709551615", "1:0", "1:1", "2:0"}
	for i, a := range ids {
		if a.String() != texts[i] {
			t.Errorf("%+v is written %s", a, a)
		}
		for j, b := range ids {
			if got := a.Compare(b); got != cmpInt(i, j) {
				t.Errorf("%v against %v: %d", a, b, got)
			}
		}
	}
	if n := ids[2].Next(); n != ids[3] {
		t.Errorf("%v is followed by %v", ids[2], n)
	}
}

func cmpInt(a, b int) int { return max(-1, min(1, a-b)) }
