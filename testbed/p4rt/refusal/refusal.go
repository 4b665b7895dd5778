// Package refusal holds the one error type of the P4Runtime server: a reason
// together with the canonical code that the P4Runtime specification names for
// it.
package refusal

import (
	"errors"
	"fmt"
	"slices"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
)

// Space is the error space of this target, in the form
// <target>-<arch>-<vendor> that p4.v1.Error asks for.
const Space = "embedded-v1model-keyway"

// Error is a refusal.
type Error struct {
	Code codes.Code
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// New returns a refusal whose text is formatted as by [fmt.Errorf].
func New(code codes.Code, format string, args ...any) error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// Code returns the code of the first refusal in err's tree: OK for nil, and
// INTERNAL for an error that carries none, because then the server itself is
// at fault.
func Code(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return codes.Internal
}

// RPC returns err as the status of a whole RPC, without details
// (specification, section 12.3, case 2). An error that already is a status
// stays as it is.
func RPC(err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		if s, ok := status.FromError(err); ok {
			return s.Err()
		}
	}
	return status.Error(Code(err), err.Error())
}

// Batch returns the status of a batch of which errs[i] is the outcome of
// element i: nil if every element succeeded, otherwise UNKNOWN with one
// p4.v1.Error for each element, in order, also for those that succeeded
// (specification, sections 10, 12.3 and 13.3).
func Batch(what string, errs []error) error {
	if !slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return nil
	}
	st := &spb.Status{
		Code:    int32(codes.Unknown),
		Message: what,
		Details: make([]*anypb.Any, len(errs)),
	}
	ok := new(anypb.Any) // shared by all that succeeded: nobody changes it
	if err := ok.MarshalFrom(&p4v1.Error{}); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	for i, err := range errs {
		if err == nil {
			st.Details[i] = ok
			continue
		}
		detail := new(anypb.Any)
		if err := detail.MarshalFrom(&p4v1.Error{
			CanonicalCode: int32(Code(err)),
			Message:       err.Error(),
			Space:         Space,
		}); err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		st.Details[i] = detail
	}
	return status.ErrorProto(st)
}
