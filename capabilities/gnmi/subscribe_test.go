package gnmi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/keyway-nve/keyway/capabilities"
)

const (
	maxBytes = "/nve-capabilities/directions/direction[direction=RECEIVE]/limits/limit[underlay=ANY]/state/max-bytes"
	rows     = "/nve-capabilities/directions/direction[direction=RECEIVE]/state/rows"
)

// subscriber is the client side of one Subscribe.
type subscriber struct {
	t      *testing.T
	stream gpb.GNMI_SubscribeClient
}

func subscribe(t *testing.T, s *Server, list *gpb.SubscriptionList) subscriber {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	stream, err := gpb.NewGNMIClient(serve(t, s)).Subscribe(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: list}}); err != nil {
		t.Fatal(err)
	}
	return subscriber{t, stream}
}

// next returns the next response: "sync", or "path = value" or "delete path", behind "target: " if it names one.
func (s subscriber) next() string {
	s.t.Helper()
	r, err := s.stream.Recv()
	if err != nil {
		s.t.Fatal(err)
	}
	if r.GetSyncResponse() {
		return "sync"
	}
	n := r.GetUpdate()
	var out []string
	for _, u := range n.Update {
		v, err := json.Marshal(jsonOf(u.Val))
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, pathString(u.Path.Elem)+" = "+string(v))
	}
	for _, d := range n.Delete {
		out = append(out, "delete "+pathString(d.Elem))
	}
	text := strings.Join(out, ", ")
	if n.Prefix.GetTarget() != "" {
		text = n.Prefix.GetTarget() + ": " + text
	}
	return text
}

// until returns what comes before a response, with that.
func (s subscriber) until(want string) []string {
	s.t.Helper()
	var out []string
	for {
		out = append(out, s.next())
		if out[len(out)-1] == want {
			return out
		}
	}
}

func (s subscriber) want(texts ...string) {
	s.t.Helper()
	for _, want := range texts {
		if have := s.next(); have != want {
			s.t.Fatalf("have %s\nwant %s", have, want)
		}
	}
}

// ends wants the stream to end with a status; OK is an end without one.
func (s subscriber) ends(code codes.Code, text string) {
	s.t.Helper()
	r, err := s.stream.Recv()
	if code == codes.OK && errors.Is(err, io.EOF) {
		return
	}
	if err == nil || status.Code(err) != code || !strings.Contains(err.Error(), text) {
		s.t.Fatalf("have %v, %v; want %v and %q", r, err, code, text)
	}
}

func to(t *testing.T, mode gpb.SubscriptionList_Mode, paths ...string) *gpb.SubscriptionList {
	list := &gpb.SubscriptionList{Mode: mode, Encoding: gpb.Encoding_PROTO}
	for _, p := range paths {
		list.Subscription = append(list.Subscription, &gpb.Subscription{Path: parse(t, p), Mode: gpb.SubscriptionMode_ON_CHANGE})
	}
	return list
}

// put gives the device nic a capability with other limits.
func put(t *testing.T, s *Server, bytes uint16, rows uint32) {
	t.Helper()
	c := goldens(t)["first-only"]
	c.Receive.Limits.Bytes, c.Receive.Rows = bytes, rows
	if err := s.Put("nic", c); err != nil {
		t.Fatal(err)
	}
}

func TestOnce(t *testing.T) {
	s := oneDevice(t)
	sub := subscribe(t, s, to(t, gpb.SubscriptionList_ONCE, maxBytes, "/nve-capabilities/state", rows))
	sub.want(maxBytes+" = 48", `/nve-capabilities/state/name = "first-only"`, `/nve-capabilities/state/role = "OFFLOAD"`, "sync")
	sub.ends(codes.OK, "")

	list := to(t, gpb.SubscriptionList_ONCE, maxBytes)
	list.Encoding, list.Prefix = gpb.Encoding_JSON_IETF, &gpb.Path{Target: "nic"}
	sub = subscribe(t, s, list)
	sub.want("nic: "+maxBytes+" = 48", "sync")
	sub.ends(codes.OK, "")

	list = to(t, gpb.SubscriptionList_ONCE, "/")
	list.UpdatesOnly = true
	sub = subscribe(t, s, list)
	sub.want("sync")
	sub.ends(codes.OK, "")

	// What is subscribed to twice comes once.
	sub = subscribe(t, s, to(t, gpb.SubscriptionList_ONCE, maxBytes, "/.../max-bytes"))
	sub.want(maxBytes+" = 48", "sync")
}

func TestPoll(t *testing.T) {
	s := oneDevice(t)
	sub := subscribe(t, s, to(t, gpb.SubscriptionList_POLL, maxBytes, rows))
	sub.want(maxBytes+" = 48", "sync")
	put(t, s, 44, 7)
	poll := &gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Poll{Poll: &gpb.Poll{}}}
	for range 2 {
		if err := sub.stream.Send(poll); err != nil {
			t.Fatal(err)
		}
		sub.want(maxBytes+" = 44", rows+" = 7", "sync")
	}
	if err := sub.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	sub.ends(codes.OK, "")

	sub = subscribe(t, s, to(t, gpb.SubscriptionList_POLL, maxBytes))
	sub.want(maxBytes+" = 44", "sync")
	second := &gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: to(t, gpb.SubscriptionList_POLL, rows)}}
	if err := sub.stream.Send(second); err != nil {
		t.Fatal(err)
	}
	sub.ends(codes.InvalidArgument, "one subscription")
}

func TestOnChange(t *testing.T) {
	s := oneDevice(t)
	sub := subscribe(t, s, to(t, gpb.SubscriptionList_STREAM, "/nve-capabilities/directions/direction[direction=*]"))
	first := sub.until("sync")
	if len(first) < 12 {
		t.Errorf("the first answer has %d leaves: %v", len(first), first)
	}
	if err := sub.stream.CloseSend(); err != nil { // which is no end of it
		t.Fatal(err)
	}
	put(t, s, 48, 0) // no change
	put(t, s, 44, 0)
	sub.want(maxBytes + " = 44")
	put(t, s, 44, 7)
	sub.want(rows + " = 7")
	put(t, s, 48, 0)
	sub.want(maxBytes+" = 48", "delete "+rows)
	put(t, s, 48, 9) // back after it was deleted
	sub.want(rows + " = 9")
}

// A path where nothing stands yet waits for something.
func TestOnChangeBeforeThereIsAnything(t *testing.T) {
	s := oneDevice(t)
	list := to(t, gpb.SubscriptionList_STREAM, rows)
	list.Subscription[0].Mode = gpb.SubscriptionMode_TARGET_DEFINED
	sub := subscribe(t, s, list)
	sub.want("sync")
	put(t, s, 48, 7)
	sub.want(rows + " = 7")
}

func TestSecondSubscription(t *testing.T) {
	list := to(t, gpb.SubscriptionList_STREAM, rows)
	sub := subscribe(t, oneDevice(t), list)
	sub.want("sync")
	if err := sub.stream.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: list}}); err != nil {
		t.Fatal(err)
	}
	sub.ends(codes.InvalidArgument, "one subscription")
}

func TestSample(t *testing.T) {
	s := oneDevice(t)
	list := to(t, gpb.SubscriptionList_STREAM, maxBytes)
	list.Subscription[0].Mode = gpb.SubscriptionMode_SAMPLE
	sub := subscribe(t, s, list)
	sub.want(maxBytes+" = 48", "sync", maxBytes+" = 48", maxBytes+" = 48")
	put(t, s, 44, 0)
	sub.until(maxBytes + " = 44")

	list.Subscription[0].SuppressRedundant = true
	sub = subscribe(t, s, list)
	sub.want(maxBytes+" = 44", "sync")
	time.Sleep(5 * minInterval / 2)
	put(t, s, 48, 0)
	sub.want(maxBytes + " = 48")
}

func TestHeartbeat(t *testing.T) {
	s := oneDevice(t)
	for _, mode := range []gpb.SubscriptionMode{gpb.SubscriptionMode_ON_CHANGE, gpb.SubscriptionMode_SAMPLE} {
		list := to(t, gpb.SubscriptionList_STREAM, maxBytes)
		list.Subscription[0].Mode = mode
		list.Subscription[0].SuppressRedundant = true
		list.Subscription[0].HeartbeatInterval = uint64(minInterval)
		sub := subscribe(t, s, list)
		sub.want(maxBytes+" = 48", "sync", maxBytes+" = 48", maxBytes+" = 48")
	}
}

func TestSubscribeFleet(t *testing.T) {
	s := NewServer(ServerOptions{})
	if err := s.Put("a", goldens(t)["first-only"]); err != nil {
		t.Fatal(err)
	}
	list := to(t, gpb.SubscriptionList_STREAM, "/nve-capabilities/state/name")
	list.Prefix = &gpb.Path{Target: "*"}
	all := subscribe(t, s, list)
	all.want(`a: /nve-capabilities/state/name = "first-only"`, "sync")
	list = proto.CloneOf(list)
	list.Prefix.Target = "a"
	one := subscribe(t, s, list)
	one.want(`a: /nve-capabilities/state/name = "first-only"`, "sync")

	if err := s.Put("b", goldens(t)["transit"]); err != nil {
		t.Fatal(err)
	}
	all.want(`b: /nve-capabilities/state/name = "transit"`)
	if err := s.Remove("a"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("a"); !errors.Is(err, ErrNoTarget) {
		t.Errorf("have %v", err)
	}
	all.want("a: delete /")
	one.want("a: delete /")
	one.ends(codes.NotFound, "no such target")
	if err := s.Put("a", goldens(t)["first-only"]); err != nil {
		t.Fatal(err)
	}
	all.want(`a: /nve-capabilities/state/name = "first-only"`)
}

func TestSubscribeErrors(t *testing.T) {
	s := oneDevice(t)
	with := func(change func(*gpb.SubscriptionList)) *gpb.SubscriptionList {
		list := to(t, gpb.SubscriptionList_STREAM, maxBytes)
		change(list)
		return list
	}
	for _, tc := range []struct {
		name string
		list *gpb.SubscriptionList
		code codes.Code
		want string
	}{
		{"no path", with(func(l *gpb.SubscriptionList) { l.Subscription = nil }), codes.InvalidArgument, "no path"},
		{"mode", with(func(l *gpb.SubscriptionList) { l.Mode = 9 }), codes.InvalidArgument, "mode 9"},
		{"encoding", with(func(l *gpb.SubscriptionList) { l.Encoding = gpb.Encoding_BYTES }), codes.Unimplemented, "encoding BYTES"},
		{"model", with(func(l *gpb.SubscriptionList) { l.UseModels = []*gpb.ModelData{{Name: "x"}} }), codes.Unimplemented, "model x"},
		{"target", with(func(l *gpb.SubscriptionList) { l.Prefix = &gpb.Path{Target: "x"} }), codes.NotFound, `"x"`},
		{"path", to(t, gpb.SubscriptionList_STREAM, "/nve-capabilities/colour"), codes.Unimplemented, "/nve-capabilities/colour: no such node"},
		{"malformed path", to(t, gpb.SubscriptionList_ONCE, "/nve-capabilities[x=y]"), codes.InvalidArgument, "malformed path"},
		{"mode of a path", with(func(l *gpb.SubscriptionList) { l.Subscription[0].Mode = 7 }), codes.InvalidArgument, "subscription mode 7"},
		{"sample of what the target defines", with(func(l *gpb.SubscriptionList) {
			l.Subscription[0].Mode, l.Subscription[0].SampleInterval = gpb.SubscriptionMode_TARGET_DEFINED, 1e9
		}), codes.InvalidArgument, "TARGET_DEFINED"},
		{"too often", with(func(l *gpb.SubscriptionList) {
			l.Subscription[0].Mode, l.Subscription[0].SampleInterval = gpb.SubscriptionMode_SAMPLE, 1
		}), codes.InvalidArgument, "sample interval 1ns: want 100ms at least"},
		{"heart beats too often", with(func(l *gpb.SubscriptionList) { l.Subscription[0].HeartbeatInterval = 1 }), codes.InvalidArgument, "heartbeat interval 1ns"},
		{"interval out of range", with(func(l *gpb.SubscriptionList) { l.Subscription[0].HeartbeatInterval = 1 << 63 }), codes.InvalidArgument, "heartbeat interval"},
	} {
		t.Run(tc.name, func(t *testing.T) { subscribe(t, s, tc.list).ends(tc.code, tc.want) })
	}
}

func TestPollBeforeSubscription(t *testing.T) {
	stream, err := gpb.NewGNMIClient(serve(t, oneDevice(t))).Subscribe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Poll{Poll: &gpb.Poll{}}}); err != nil {
		t.Fatal(err)
	}
	subscriber{t, stream}.ends(codes.InvalidArgument, "the first request is no subscription")
}

// A subscriber that is there before, during and after changes ends with what is true, whichever of them it has seen.
func TestSubscribersAgreeUnderChange(t *testing.T) {
	s := oneDevice(t)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := uint32(0); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			c := goldens(t)["first-only"]
			c.Receive.Rows, c.Send.Rows = i%7, 0
			c.Receive.Pools = make([]capabilities.Pool, i%3)
			for j := range c.Receive.Pools {
				c.Receive.Pools[j].Words = uint8(i%200) + 1
			}
			if err := s.Put("nic", c); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for range 20 {
		list := to(t, gpb.SubscriptionList_ONCE, "/")
		sub := subscribe(t, s, list)
		var leaves []leaf
		for {
			r, err := sub.stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if r.GetSyncResponse() {
				break
			}
			ls, err := leavesIn(r.GetUpdate())
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, ls...)
		}
		c, err := fromLeaves(leaves)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range c.Receive.Pools {
			if p != c.Receive.Pools[0] {
				t.Fatalf("half of one capability and half of another: %v", c.Receive.Pools)
			}
		}
	}
	close(stop)
	<-done
}

// A subscriber that does not read holds nobody up and costs no memory: what it has not been sent yet is what is true when it is.
func TestSlowSubscriber(t *testing.T) {
	const changes = 200
	name := strings.Repeat("nic", 2000) // answers name the target, so that few of them fill the connection
	s := NewServer(ServerOptions{})
	c := goldens(t)["first-only"]
	put := func(rows uint32) {
		t.Helper()
		c.Receive.Rows = rows
		if err := s.Put(name, c); err != nil {
			t.Fatal(err)
		}
	}
	put(0)
	list := to(t, gpb.SubscriptionList_STREAM, rows)
	list.Prefix = &gpb.Path{Target: name}
	sub := subscribe(t, s, list)
	sub.want("sync")
	for i := range uint32(changes) {
		put(i + 1)
	}
	read := len(sub.until(fmt.Sprintf("%s: %s = %d", name, rows, changes)))
	if read > changes/2 {
		t.Errorf("%d of %d changes were sent one by one", read, changes)
	}
	t.Logf("%d of %d changes were read", read, changes)
}
