package p4rt_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
	"github.com/keyway-nve/keyway/controller/p4rt"
	keywayv1 "github.com/keyway-nve/keyway/proto/keyway/v1"
)

func TestCapabilities(t *testing.T) {
	profile, err := capabilities.ShippedProfile("cisco-vic")
	if err != nil {
		t.Fatal(err)
	}
	packed := func(m *keywayv1.NveCapability) *anypb.Any {
		a, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	good, err := gnmi.MarshalAny(profile.Capability)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := anypb.New(durationpb.New(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name         string
		experimental *anypb.Any
		err          error // of the RPC
		hangs        bool
		capability   *capabilities.Capability
		is           error
		want         string
	}{
		{name: "says it", experimental: good, capability: &profile.Capability},
		{name: "says nothing"},
		{name: "says something else", experimental: foreign},
		{name: "has no such RPC", err: status.Error(codes.Unimplemented, "what?")},
		{name: "another model", experimental: packed(&keywayv1.NveCapability{ModelVersion: "2.0.0"}), is: gnmi.ErrUnsupported, want: "it has 2.0.0"},
		{name: "half of it", experimental: packed(&keywayv1.NveCapability{ModelVersion: "1.0.0", JsonIetf: []byte(`{"keyway`)}), is: gnmi.ErrUntold, want: "not JSON"},
		{name: "not protobuf", experimental: &anypb.Any{TypeUrl: "type.googleapis.com/keyway.v1.NveCapability", Value: []byte{7}}, is: gnmi.ErrUntold},
		{name: "is down", err: errDown, is: gnmi.ErrUntold, want: "device 7: capabilities: "},
		{name: "does not answer", hangs: true, is: gnmi.ErrUntold, want: "DeadlineExceeded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newScript()
				d.onCapabilities = func(ctx context.Context, r *p4v1.CapabilitiesRequest) (*p4v1.CapabilitiesResponse, error) {
					if r.GetDeviceId() != deviceID {
						t.Errorf("device %d", r.GetDeviceId())
					}
					if tc.hangs {
						<-ctx.Done()
					}
					return &p4v1.CapabilitiesResponse{P4RuntimeApiVersion: "1.5.0", Experimental: tc.experimental}, tc.err
				}
				have, err := start(t, d, primary()).Capabilities(t.Context())
				if !errors.Is(err, tc.is) || tc.is != nil && !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error %v; want %v and %q", err, tc.is, tc.want)
				}
				want := p4rt.Capabilities{APIVersion: "1.5.0", Capability: tc.capability}
				if tc.err != nil || tc.hangs {
					want.APIVersion = ""
				}
				if diff := cmp.Diff(want, have); diff != "" {
					t.Errorf("-want +have:\n%s", diff)
				}
			})
		})
	}
}
