package target

import (
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyway-nve/keyway/proto/bm"
)

// packetStream is the one client of bmv2's packet service.
type packetStream struct {
	// turn is held while a frame is processed; out is what has left meanwhile.
	turn sync.Mutex
	out  []leaving

	mu     sync.Mutex
	client bm.DataplaneInterface_PacketStreamServer // nil: none
}

// leaving is a frame on its way out.
type leaving struct {
	port  uint32
	frame []byte
}

// send gives a frame to the client and reports whether there is one.
func (s *packetStream) send(device uint64, port uint32, frame []byte, id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return false
	}
	// A client that is gone is noticed by its receiver.
	_ = s.client.Send(&bm.PacketStreamResponse{Id: id, DeviceId: device, Port: port, Packet: frame})
	return true
}

func (s *packetStream) open(c bm.DataplaneInterface_PacketStreamServer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return false
	}
	s.client = c
	return true
}

func (s *packetStream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = nil
}

// dataplane is bmv2's packet service.
type dataplane struct {
	bm.UnimplementedDataplaneInterfaceServer
	target *Target
}

// PacketStream implements bm.DataplaneInterfaceServer. As in bmv2 requests for
// other devices and empty packets are passed over.
func (d *dataplane) PacketStream(stream bm.DataplaneInterface_PacketStreamServer) error {
	t := d.target
	if !t.stream.open(stream) {
		return status.Error(codes.ResourceExhausted, "only one client authorized at a time")
	}
	defer t.stream.close()
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if req.GetDeviceId() != t.opts.DeviceID || len(req.GetPacket()) == 0 {
			continue
		}
		t.inject(req.GetPort(), req.GetPacket(), req.GetId())
	}
}

// SetPortOperStatus implements bm.DataplaneInterfaceServer.
func (d *dataplane) SetPortOperStatus(_ context.Context, req *bm.SetPortOperStatusRequest) (*bm.SetPortOperStatusResponse, error) {
	if req.GetDeviceId() != d.target.opts.DeviceID {
		return nil, status.Error(codes.InvalidArgument, "invalid device id")
	}
	var up bool
	switch req.GetOperStatus() {
	case bm.PortOperStatus_OPER_STATUS_DOWN:
	case bm.PortOperStatus_OPER_STATUS_UP:
		up = true
	default:
		return nil, status.Error(codes.InvalidArgument, "invalid oper status")
	}
	if err := d.target.SetPort(req.GetPort(), up); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &bm.SetPortOperStatusResponse{}, nil
}
