package p4fuzz

import (
	"context"
	"fmt"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// config draws a request about the program that leaves all entities as they are
// (section 14): it verifies, it reconciles with the same tables, or it is at
// fault.
func (d *draw) config(now *p4v1.ForwardingPipelineConfig, device uint64) *p4v1.SetForwardingPipelineConfigRequest {
	req := &p4v1.SetForwardingPipelineConfigRequest{
		DeviceId: device, ElectionId: proto.CloneOf(&election), Config: now,
		Action: one(d, p4v1.SetForwardingPipelineConfigRequest_VERIFY, p4v1.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT),
	}
	switch d.r.IntN(8) {
	case 0, 1, 2: // to another version of the program
		req.Config = proto.CloneOf(now)
		if req.Config.P4Info.PkgInfo == nil {
			req.Config.P4Info.PkgInfo = &p4configv1.PkgInfo{}
		}
		req.Config.P4Info.PkgInfo.Version = fmt.Sprint(d.r.IntN(100))
	case 3:
		req.Config = nil
	case 4:
		req.Action = p4v1.SetForwardingPipelineConfigRequest_COMMIT
		if d.chance(50) {
			req.Config = nil
		}
	case 5:
		req.ElectionId = one(d, nil, &p4v1.Uint128{Low: 2})
	case 6:
		req.DeviceId++
	}
	return req
}

// configure holds the answer to a request about the program against section 14.
// What it changes, the next read shows.
func (t *trial) configure(ctx context.Context, req *p4v1.SetForwardingPipelineConfigRequest) error {
	v := &verdict{}
	switch {
	case req.GetDeviceId() != t.dev.id:
		v.must("14 the device is one of the server", codes.NotFound)
	case !proto.Equal(req.GetElectionId(), &election):
		v.must("14 only the primary sets a config", codes.PermissionDenied)
	case req.GetAction() == p4v1.SetForwardingPipelineConfigRequest_COMMIT && req.GetConfig() == nil:
		v.must("14 COMMIT wants a config that was saved", codes.NotFound)
	case req.GetAction() == p4v1.SetForwardingPipelineConfigRequest_COMMIT:
		v.must("14 COMMIT takes no config", codes.InvalidArgument, codes.NotFound)
	case req.GetConfig() == nil:
		v.must("14 the config is provided", codes.InvalidArgument)
	}
	if req.GetAction() == p4v1.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT {
		v.may("14 RECONCILE_AND_COMMIT is optional", codes.Unimplemented)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	_, err := t.dev.client.SetForwardingPipelineConfig(ctx, req)
	got := status.Code(err)
	t.report.Configs[got]++
	if !v.allows(got) {
		return problemf("%v was answered %v (%v); expected %v", req.GetAction(), got, err, v)
	}
	return t.readBack(ctx)
}
