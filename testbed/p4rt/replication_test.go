package p4rt_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"
)

func multicast(id int, rest string) string {
	return fmt.Sprintf(`packet_replication_engine_entry { multicast_group_entry { multicast_group_id: %d %s } }`, id, rest)
}

func session(id int, rest string) string {
	return fmt.Sprintf(`packet_replication_engine_entry { clone_session_entry { session_id: %d %s } }`, id, rest)
}

// copies returns where a probe goes, as port/instance.
func (f *fixture) copies(in uint32, mode byte, arg uint16) []string {
	f.t.Helper()
	f.frames()
	f.server.Process(in, probe(mode, arg, 0, 0))
	var out []string
	for _, x := range f.frames() {
		out = append(out, fmt.Sprintf("%d/%d", x.port, x.data[5]))
	}
	return out
}

// Section 9.5.1.
func TestMulticastGroups(t *testing.T) {
	f, _ := start(t)
	text := multicast(5, `metadata: "m" replicas { port: "\x01" instance: 1 } replicas { port: "\x02" instance: 2 backup_replicas { port: "\x03" instance: 3 } backup_replicas { port: "\x04" instance: 4 } } replicas { egress_port: 6 instance: 1 }`)
	f.apply(f.insert(text))
	expect := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, f.copies(9, toGroup, 5)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	expect("at first", "1/1", "2/2", "6/1")
	set := func(port uint32, up bool) {
		t.Helper()
		if err := f.server.SetPort(port, up); err != nil {
			t.Fatal(err)
		}
	}
	set(2, false)
	expect("port 2 is down", "1/1", "3/3", "6/1")
	set(3, false)
	expect("port 3 too", "1/1", "4/4", "6/1")
	set(4, false)
	expect("port 4 too", "1/1", "6/1")
	set(3, true)
	expect("port 3 is up", "1/1", "3/3", "6/1")
	set(2, true)
	expect("port 2 is up", "1/1", "2/2", "6/1")
	for _, request := range []string{multicast(5, ""), multicast(0, ""), multicast(5, `replicas { port: "\x09" }`)} {
		if diff := cmp.Diff([]*p4v1.Entity{f.entity(text)}, f.read(f.entity(request)), protocmp.Transform()); diff != "" {
			t.Errorf("read %s (-want +got):\n%s", request, diff)
		}
	}
	for _, c := range []struct {
		name string
		u    *p4v1.Update
		want codes.Code
	}{
		{"INSERT existing", f.insert(multicast(5, "")), codes.AlreadyExists},
		{"MODIFY missing", f.modify(multicast(6, "")), codes.NotFound},
		{"DELETE missing", f.delete(multicast(6, "")), codes.NotFound},
		{"group id 0", f.insert(multicast(0, "")), codes.InvalidArgument},
		{"group id beyond the target", f.insert(multicast(32768, "")), codes.OutOfRange},
		{"replica without port", f.insert(multicast(6, `replicas { instance: 1 }`)), codes.InvalidArgument},
		{"port 0", f.insert(multicast(6, `replicas { port: "\x00" }`)), codes.InvalidArgument},
		{"port out of range", f.insert(multicast(6, `replicas { port: "\x01\x00\x00\x00\x00" }`)), codes.InvalidArgument},
		{"port that cannot be", f.insert(multicast(6, `replicas { port: "\x02\x00" }`)), codes.InvalidArgument},
		{"egress port that cannot be", f.insert(multicast(6, `replicas { egress_port: 512 }`)), codes.InvalidArgument},
		{"instance out of range", f.insert(multicast(6, `replicas { port: "\x01" instance: 65536 }`)), codes.InvalidArgument},
		{"port and instance twice", f.insert(multicast(6, `replicas { port: "\x01" instance: 1 } replicas { port: "\x00\x01" instance: 1 }`)), codes.InvalidArgument},
		{"backup with the same port", f.insert(multicast(6, `replicas { port: "\x01" instance: 1 backup_replicas { port: "\x01" instance: 2 } }`)), codes.InvalidArgument},
		{"backup like another replica", f.insert(multicast(6, `replicas { port: "\x01" instance: 1 backup_replicas { port: "\x02" instance: 2 } } replicas { port: "\x02" instance: 2 }`)), codes.InvalidArgument},
		{"no type", f.insert(`packet_replication_engine_entry { }`), codes.InvalidArgument},
	} {
		if got := f.code(c.u); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	f.apply(f.modify(multicast(5, `replicas { port: "\x07" instance: 7 }`)))
	expect("modified", "7/7")
	f.apply(f.delete(multicast(5, "")))
	expect("deleted")
	if got := f.readCode(f.entity(`packet_replication_engine_entry { }`)); got != codes.InvalidArgument {
		t.Errorf("read without type: %v", got)
	}
}

// Section 9.5.2.
func TestCloneSessions(t *testing.T) {
	f, s := start(t)
	text := session(5, `replicas { port: "\x01" instance: 1 } replicas { port: "\x02" instance: 2 } packet_length_bytes: 24`)
	f.apply(f.insert(text))
	if diff := cmp.Diff([]string{"1/1", "2/2", "9/255"}, f.copies(9, toSession, 5)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.server.Process(9, probe(toSession, 5, 0, 0))
	if got := f.frames(); len(got) != 3 || len(got[2].data) != probeLength || len(got[0].data) != 24 {
		t.Errorf("lengths: %v", got)
	}
	for _, request := range []string{session(5, ""), session(0, "")} {
		if diff := cmp.Diff([]*p4v1.Entity{f.entity(text)}, f.read(f.entity(request)), protocmp.Transform()); diff != "" {
			t.Errorf("read %s (-want +got):\n%s", request, diff)
		}
	}
	for _, c := range []struct {
		name string
		u    *p4v1.Update
		want codes.Code
	}{
		{"INSERT existing", f.insert(session(5, "")), codes.AlreadyExists},
		{"MODIFY missing", f.modify(session(6, "")), codes.NotFound},
		{"DELETE missing", f.delete(session(6, "")), codes.NotFound},
		{"session id 0", f.insert(session(0, "")), codes.InvalidArgument},
		{"session id beyond the target", f.insert(session(32768, "")), codes.InvalidArgument},
		{"instance out of range", f.insert(session(6, `replicas { port: "\x01" instance: 65536 }`)), codes.InvalidArgument},
		{"negative length", f.insert(session(6, `packet_length_bytes: -1`)), codes.InvalidArgument},
		{"class of service", f.insert(session(6, `class_of_service: 1`)), codes.Unimplemented},
	} {
		if got := f.code(c.u); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	// SDN_PORT_CPU stands for the CPU port.
	f.apply(f.modify(session(5, `replicas { port: "\xff\xff\xff\xfd" instance: 3 }`)))
	f.server.Process(9, probe(toSession, 5, 0, 0))
	if m := s.next().GetPacket(); m == nil {
		t.Error("no packet in")
	}
	f.apply(f.delete(session(5, "")))
	if diff := cmp.Diff([]string{"9/255"}, f.copies(9, toSession, 5)); diff != "" {
		t.Errorf("deleted (-want +got):\n%s", diff)
	}
}
