package differential

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// step is one thing that is done to a switch. One of its fields is set, besides
// what, which names it for known.
type step struct {
	what  string
	write *p4v1.Update
	// restore writes an entry whatever is there: what came before may have left
	// the switches with something else.
	restore *p4v1.Entity
	read    *p4v1.Entity
	in      *frame
	out     *p4v1.PacketOut
	told    bool // what the controller was told in all
	idle    int  // as many entries should have timed out by then
}

// answer is what a switch made of a step.
type answer struct {
	code     codes.Code
	said     string         // why; of a recorded answer it is not known
	entities []*p4v1.Entity // in a normal form and order
	frames   []frame
	punted   []frame
	digested []string
	idle     []string
}

// do takes a step. Of what the controller was told it waits for as much as the
// other switch has told.
func (s *side) do(t *testing.T, info *p4configv1.P4Info, st step, other answer) answer {
	t.Helper()
	var a answer
	switch {
	case st.write != nil:
		a.code, a.said = s.write(t.Context(), st.write)
	case st.restore != nil:
		u := &p4v1.Update{Type: p4v1.Update_MODIFY, Entity: st.restore}
		if code, _ := s.write(t.Context(), u); code != codes.OK {
			u.Type = p4v1.Update_INSERT
			s.write(t.Context(), u)
		}
	case st.read != nil:
		es, err := s.read(t.Context(), st.read)
		if a.code, a.said = verdict(err); err != nil {
			break // what there is besides has no meaning
		}
		for _, e := range es {
			inUnits(info, e)
			if te := e.GetTableEntry(); te != nil {
				without(info, te)
			}
		}
		a.entities = normal(es)
	case st.in != nil:
		a.frames = s.process(t, *st.in)
	case st.out != nil:
		a.frames = s.packetOut(t, st.out)
	case st.told:
		a.punted, a.digested, a.idle = s.told(len(other.punted), len(other.digested), max(st.idle, len(other.idle)))
	}
	return a
}

// differences tells what an answer of the embedded target does not have in
// common with bmv2's, but for what doc.go has.
func (st step) differences(embedded, bmv2 answer) []string {
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if embedded.code != bmv2.code && !known(st.what, embedded.code, bmv2.code) {
		fault("%v (%s), bmv2 %v (%s)", embedded.code, embedded.said, bmv2.code, bmv2.said)
	}
	if embedded.code == codes.OK && bmv2.code == codes.OK && st.what != "constant entries" {
		differ(keyed(embedded.entities), keyed(bmv2.entities), fault)
	}
	sameFrame := func(a, b frame) bool { return compareFrames(a, b) == 0 }
	if !slices.EqualFunc(embedded.frames, bmv2.frames, sameFrame) {
		fault("\nembedded %v\nbmv2     %v", embedded.frames, bmv2.frames)
	}
	if len(embedded.punted) != len(bmv2.punted) {
		fault("%d packet-ins, bmv2 %d", len(embedded.punted), len(bmv2.punted))
	}
	for i := range min(len(embedded.punted), len(bmv2.punted)) {
		if !sameFrame(embedded.punted[i], bmv2.punted[i]) {
			fault("packet-in %d: %v, bmv2 %v", i, embedded.punted[i], bmv2.punted[i])
		}
	}
	if !slices.Equal(embedded.digested, bmv2.digested) {
		fault("digests %q, bmv2 %q", embedded.digested, bmv2.digested)
	}
	if !slices.Equal(embedded.idle, bmv2.idle) {
		fault("timed out %q, bmv2 %q", embedded.idle, bmv2.idle)
	}
	return out
}

func (st step) String() string {
	l, err := st.line(answer{})
	if err != nil {
		return err.Error()
	}
	b, _ := json.Marshal(l)
	return string(b)
}

// undo takes back an insertion that only this side has accepted.
func (s *side) undo(t *testing.T, st step, mine, other answer) {
	t.Helper()
	if st.write.GetType() != p4v1.Update_INSERT || mine.code != codes.OK || other.code == codes.OK {
		return
	}
	back := &p4v1.Update{Type: p4v1.Update_DELETE, Entity: st.write.GetEntity()}
	if code, said := s.write(t.Context(), back); code != codes.OK {
		t.Fatalf("%s takes %v but does not delete it: %v %s", s.name, st, code, said)
	}
}

// line is a step and bmv2's answer as they stand in a golden file: a JSON
// object a line.
type line struct {
	What      string            `json:"what,omitempty"`
	Write     json.RawMessage   `json:"write,omitempty"`
	Restore   json.RawMessage   `json:"restore,omitempty"`
	Read      json.RawMessage   `json:"read,omitempty"`
	In        string            `json:"in,omitempty"`
	PacketOut json.RawMessage   `json:"packetOut,omitempty"`
	Told      bool              `json:"told,omitempty"`
	Code      codes.Code        `json:"code,omitempty"`
	Entities  []json.RawMessage `json:"entities,omitempty"`
	Out       []string          `json:"out,omitempty"`
	PacketIns []string          `json:"packetIns,omitempty"`
	Digests   []string          `json:"digests,omitempty"`
	Idle      []string          `json:"idle,omitempty"`
}

// compact returns a message as JSON that is always the same.
func compact(m proto.Message) (json.RawMessage, error) {
	b, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Compact(&out, b)
	return out.Bytes(), err
}

func (st step) line(a answer) (l line, err error) {
	l = line{What: st.what, Told: st.told, Code: a.code, Digests: a.digested, Idle: a.idle}
	for _, x := range []struct {
		to   *json.RawMessage
		from proto.Message
		is   bool
	}{
		{&l.Write, st.write, st.write != nil}, {&l.Restore, st.restore, st.restore != nil},
		{&l.Read, st.read, st.read != nil}, {&l.PacketOut, st.out, st.out != nil},
	} {
		if x.is {
			if *x.to, err = compact(x.from); err != nil {
				return l, err
			}
		}
	}
	if st.in != nil {
		l.In = st.in.text()
	}
	for _, e := range a.entities {
		b, err := compact(e)
		if err != nil {
			return l, err
		}
		l.Entities = append(l.Entities, b)
	}
	for _, f := range a.frames {
		l.Out = append(l.Out, f.text())
	}
	for _, f := range a.punted {
		l.PacketIns = append(l.PacketIns, f.text())
	}
	return l, nil
}

// step is the reverse of step.line.
func (l line) step() (st step, a answer, err error) {
	st, a = step{what: l.What, told: l.Told}, answer{code: l.Code, digested: l.Digests, idle: l.Idle}
	parse := func(from json.RawMessage, to proto.Message) {
		if err == nil {
			err = protojson.Unmarshal(from, to)
		}
	}
	frames := func(from []string) (out []frame) {
		for _, s := range from {
			var f frame
			if err == nil {
				f, err = parseFrame(s)
			}
			out = append(out, f)
		}
		return out
	}
	switch {
	case l.Write != nil:
		st.write = new(p4v1.Update)
		parse(l.Write, st.write)
	case l.Restore != nil:
		st.restore = new(p4v1.Entity)
		parse(l.Restore, st.restore)
	case l.Read != nil:
		st.read = new(p4v1.Entity)
		parse(l.Read, st.read)
	case l.PacketOut != nil:
		st.out = new(p4v1.PacketOut)
		parse(l.PacketOut, st.out)
	case l.In != "":
		st.in = &frames([]string{l.In})[0]
	}
	for _, b := range l.Entities {
		e := new(p4v1.Entity)
		parse(b, e)
		a.entities = append(a.entities, e)
	}
	a.frames, a.punted = frames(l.Out), frames(l.PacketIns)
	return st, a, err
}

func (f frame) text() string { return fmt.Sprintf("%d %x", f.port, f.data) }

func parseFrame(s string) (f frame, err error) {
	port, data, _ := strings.Cut(s, " ")
	n, err := strconv.ParseUint(port, 10, 32)
	if err != nil {
		return f, err
	}
	f.port = uint32(n)
	f.data, err = hex.DecodeString(data)
	return f, err
}
