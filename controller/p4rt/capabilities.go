package p4rt

import (
	"context"
	"errors"
	"fmt"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/capabilities/gnmi"
)

// Capabilities is what a device says of itself over P4Runtime.
type Capabilities struct {
	// APIVersion is the version of P4Runtime that the device speaks, such as
	// "1.5.0"; empty for one so old that it does not say.
	APIVersion string
	// Capability is what the device can do with options. Nil: it does not say,
	// as most do not.
	Capability *capabilities.Capability
}

// Capabilities asks the device what it says of itself (section 17). It needs no
// term, nor that Run runs.
//
// A device that does not answer, or whose capability cannot be read, could not
// tell: the error is [gnmi.ErrUntold]. One that has another major version of the
// model has answered: [gnmi.ErrUnsupported]. APIVersion is set with both if the
// device said it.
func (s *Session) Capabilities(ctx context.Context) (Capabilities, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	resp, err := s.p4.Capabilities(ctx, &p4v1.CapabilitiesRequest{DeviceId: s.o.DeviceID})
	if status.Code(err) == codes.Unimplemented { // before P4Runtime 1.1 (section 17)
		return Capabilities{}, nil
	}
	if err != nil {
		return Capabilities{}, fmt.Errorf("%w: %w", gnmi.ErrUntold, s.requestFailed("capabilities", err))
	}
	out := Capabilities{APIVersion: resp.GetP4RuntimeApiVersion()}
	c, err := gnmi.UnmarshalAny(resp.GetExperimental())
	switch {
	case err == nil:
		out.Capability = &c
		return out, nil
	case errors.Is(err, gnmi.ErrNoCapability):
		// Others may have experiments of their own there.
		return out, nil
	case !errors.Is(err, gnmi.ErrUnsupported):
		err = fmt.Errorf("%w: %w", gnmi.ErrUntold, err)
	}
	return out, fmt.Errorf("%s: capabilities: %w", s.o.Name, err)
}
