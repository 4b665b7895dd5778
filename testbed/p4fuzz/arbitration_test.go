package p4fuzz

import (
	"strings"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// arbitrate plays games with an embedded target that has a program.
func arbitrate(t *testing.T, seed uint64, games int, opts ...grpc.DialOption) error {
	t.Helper()
	conn := embedded(t, opts...)
	d, err := connect(t.Context(), conn, *deviceID)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if err := d.install(t.Context(), entities(t)); err != nil {
		t.Fatal(err)
	}
	return Arbitrate(t.Context(), conn, *deviceID, seed, games)
}

func TestArbitration(t *testing.T) {
	if err := arbitrate(t, *seed, max(60, int(10*duration.Seconds()))); err != nil {
		t.Error(err)
	}
}

// A server that gets arbitration wrong is found out.
func TestArbitrationFindsFaults(t *testing.T) {
	for _, c := range []struct {
		name string
		tell func(*p4v1.MasterArbitrationUpdate)
		want string
	}{
		{"backups think that there is no primary", func(m *p4v1.MasterArbitrationUpdate) {
			if m.GetStatus().GetCode() == int32(codes.AlreadyExists) {
				m.Status.Code = int32(codes.NotFound)
			}
		}, "expected AlreadyExists"},
		{"the role is not told", func(m *p4v1.MasterArbitrationUpdate) { m.Role = nil }, "was told"},
		{"the election id is told before there was one", func(m *p4v1.MasterArbitrationUpdate) {
			if m.ElectionId == nil {
				m.ElectionId = &p4v1.Uint128{}
			}
		}, "expected NotFound and election id 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := lie{told: c.tell}
			if err := arbitrate(t, 1, 20, l.with()...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q, got %v", c.want, err)
			}
		})
	}
	t.Run("anyone may write", func(t *testing.T) {
		l := lie{write: func(w *p4v1.WriteRequest) { w.ElectionId, w.Role = proto.CloneOf(&election), "" }}
		if err := arbitrate(t, 1, 20, l.with()...); err == nil || !strings.Contains(err.Error(), "was answered OK") {
			t.Errorf("got %v", err)
		}
	})
}
