package p4rt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var errStalled = errors.New("the device stopped answering")

// Read asks the device for the entities that the filters select (section 13)
// and yields them as they arrive. An error is the last thing it yields: of the
// whole request, or of all filters that the device refused, after the entities
// of the others. It needs no term: a standby session may read.
func (s *Session) Read(ctx context.Context, filters ...*p4v1.Entity) iter.Seq2[*p4v1.Entity, error] {
	return func(yield func(*p4v1.Entity, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		stall := time.AfterFunc(s.o.Timeout, func() {
			cancel(fmt.Errorf("%w: %w", errStalled, context.DeadlineExceeded))
		})
		defer stall.Stop()
		fail := func(err error) {
			if status.Code(err) == codes.Canceled && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			yield(nil, s.readFailed(err, filters))
		}
		stream, err := s.p4.Read(ctx, &p4v1.ReadRequest{
			DeviceId: s.o.DeviceID, Role: s.o.Role, Entities: filters,
		})
		if err != nil {
			fail(err)
			return
		}
		for {
			resp, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				fail(err)
				return
			}
			stall.Stop() // a slow reader of ours is not a slow device
			s.n.read.Add(uint64(len(resp.GetEntities())))
			for _, e := range resp.GetEntities() {
				if !yield(e, nil) {
					return
				}
			}
			stall.Reset(s.o.Timeout)
		}
	}
}

// readFailed wraps the failure of a read.
func (s *Session) readFailed(err error, filters []*p4v1.Entity) error {
	perFilter, ok := eachError(err, len(filters))
	if !ok {
		return s.requestFailed("read", err)
	}
	var errs []error
	for i, e := range perFilter {
		if c := codes.Code(e.GetCanonicalCode()); c != codes.OK {
			errs = append(errs, s.requestFailed(fmt.Sprintf("read {%v}", filters[i]), status.Error(c, e.GetMessage())))
		}
	}
	return errors.Join(errs...)
}
