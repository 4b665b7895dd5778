package p4rt

import (
	"context"
	"fmt"
	"strings"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// maxRequest is the most bytes of updates in a request: a gRPC server takes
// messages of up to 4 MiB unless it was told otherwise.
const maxRequest = 3 << 20

// UpdateError is why a device refused one update.
type UpdateError struct {
	// Index is the update's place in what Write was given.
	Index  int
	Update *p4v1.Update
	// What is the update by the names of its program, as in "insert vn_lookup
	// vni=0x17 -> set_vn(vn=3)".
	What string
	Code codes.Code
	// Message is the device's explanation. Space and VendorCode are its
	// vendor's own error, Details whatever else it said; all optional.
	Message    string
	Space      string
	VendorCode int32
	Details    *anypb.Any
}

func (e *UpdateError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.What, e.Code)
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	if e.Space != "" || e.VendorCode != 0 {
		fmt.Fprintf(&b, " (%s %d)", e.Space, e.VendorCode)
	}
	return b.String()
}

// GRPCStatus makes status.Code and status.Convert work on the error.
func (e *UpdateError) GRPCStatus() *status.Status { return status.New(e.Code, e.Message) }

// WriteError is what went wrong in a Write. errors.As finds its first
// *UpdateError, errors.Is and status.Code see the request's fault.
type WriteError struct {
	// Device is the session's name for the device.
	Device string
	// Failed are the updates that the device refused, in order. All other
	// updates before Tried were done.
	Failed []*UpdateError
	// Err is why a request failed as a whole, if one did. What became of its
	// updates is not known then; those after them were not sent.
	Err error
	// Tried is how many updates the device has answered for, one by one; Total
	// how many Write was given. They differ when Err is set.
	Tried, Total int
}

func (e *WriteError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: write: ", e.Device)
	if e.Err != nil {
		fmt.Fprintf(&b, "updates %d to %d of %d: %v", e.Tried+1, e.Total, e.Total, e.Err)
		if len(e.Failed) > 0 {
			b.WriteString("; ")
		}
	}
	const shown = 8
	if len(e.Failed) > 0 {
		fmt.Fprintf(&b, "%d of %d updates refused: ", len(e.Failed), e.Total)
	}
	for i, f := range e.Failed {
		if i > 0 {
			b.WriteString("; ")
		}
		if i == shown {
			fmt.Fprintf(&b, "and %d more", len(e.Failed)-shown)
			break
		}
		b.WriteString(f.Error())
	}
	return b.String()
}

// Unwrap returns the request's fault, if any, and the refused updates' ones.
func (e *WriteError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failed)+1)
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	for _, f := range e.Failed {
		errs = append(errs, f)
	}
	return errs
}

// Write does the updates in requests of at most Options.BatchSize, one after
// the other. A refused update does not keep the others from being done
// (CONTINUE_ON_ERROR, the one mode that every server has). Within a request the
// device may reorder (section 12.1): what depends on an earlier update belongs
// in a later Write. The error is a *WriteError.
func (r *Ready) Write(ctx context.Context, updates ...*p4v1.Update) error {
	we := &WriteError{Device: r.s.o.Name, Total: len(updates)}
	for rest := updates; len(rest) > 0 && we.Err == nil; {
		n := batchLen(rest, r.s.o.BatchSize)
		r.writeBatch(ctx, rest[:n], we)
		rest = rest[n:]
	}
	if we.Err == nil && len(we.Failed) == 0 {
		return nil
	}
	return we
}

// batchLen returns how many of the updates, at least one, fit a request.
func batchLen(updates []*p4v1.Update, most int) int {
	size := 0
	for i, u := range updates {
		n := proto.Size(u)
		size += 1 + protowire.SizeBytes(n)
		if i > 0 && (i == most || size > maxRequest) {
			return i
		}
	}
	return len(updates)
}

// writeBatch sends one request and adds its outcome to we.
func (r *Ready) writeBatch(ctx context.Context, batch []*p4v1.Update, we *WriteError) {
	o, n := &r.s.o, &r.s.n
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	_, err := r.s.p4.Write(ctx, &p4v1.WriteRequest{
		DeviceId:   o.DeviceID,
		Role:       o.Role,
		ElectionId: r.id.proto(),
		Updates:    batch,
	})
	n.requests.Add(1)
	n.updates.Add(uint64(len(batch)))
	if err == nil {
		we.Tried += len(batch)
		return
	}
	perUpdate, ok := eachError(err, len(batch))
	if !ok {
		we.Err = r.refused(err)
		return
	}
	for i, e := range perUpdate {
		if e.GetCanonicalCode() == int32(codes.OK) {
			continue
		}
		n.updatesFailed.Add(1)
		we.Failed = append(we.Failed, &UpdateError{
			Index:      we.Tried + i,
			Update:     batch[i],
			What:       describe(batch[i], o.Describe),
			Code:       codes.Code(e.GetCanonicalCode()),
			Message:    e.GetMessage(),
			Space:      e.GetSpace(),
			VendorCode: e.GetCode(),
			Details:    e.GetDetails(),
		})
	}
	we.Tried += len(batch)
}

// eachError finds the p4.v1.Error for each of n updates, or of n filters of a
// read, that a server attaches to its status (sections 12.3 and 13.3). Without
// exactly one for each, in order, and one that is not OK, the request failed as
// a whole.
func eachError(err error, n int) ([]*p4v1.Error, bool) {
	details := status.Convert(err).Proto().GetDetails()
	if len(details) != n {
		return nil, false
	}
	errs, failed := make([]*p4v1.Error, n), false
	for i, d := range details {
		e := new(p4v1.Error)
		if d.UnmarshalTo(e) != nil {
			return nil, false
		}
		errs[i] = e
		failed = failed || e.GetCanonicalCode() != int32(codes.OK)
	}
	return errs, failed
}

func describe(u *p4v1.Update, entity func(*p4v1.Entity) string) string {
	return strings.ToLower(u.GetType().String()) + " " + entity(u.GetEntity())
}
