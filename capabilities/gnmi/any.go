package gnmi

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/keyway-nve/keyway/capabilities"
	keywayv1 "github.com/keyway-nve/keyway/proto/keyway/v1"
	"github.com/keyway-nve/keyway/proto/yang"
)

// ErrNoCapability is of a message that is none of ours: it says nothing of a capability.
var ErrNoCapability = errors.New("no capability")

// MarshalAny returns the capability as P4Runtime carries it, in CapabilitiesResponse.experimental: a keyway.v1.NveCapability with the
// JSON of [Marshal]. The error lists every contradiction in the capability.
func MarshalAny(c capabilities.Capability) (*anypb.Any, error) {
	text, err := Marshal(c)
	if err != nil {
		return nil, err
	}
	return anypb.New(&keywayv1.NveCapability{ModelVersion: yang.Version, JsonIetf: text})
}

// UnmarshalAny returns the capability that a message has. The error wraps [ErrNoCapability] for a message of another type, also for nil;
// [ErrUnsupported] for a model of another major version; and otherwise lists what is wrong, as [Unmarshal] does.
func UnmarshalAny(a *anypb.Any) (capabilities.Capability, error) {
	var m keywayv1.NveCapability
	if !a.MessageIs(&m) {
		if a == nil {
			return capabilities.Capability{}, ErrNoCapability
		}
		return capabilities.Capability{}, fmt.Errorf("%w: a message of type %q", ErrNoCapability, a.GetTypeUrl())
	}
	if err := a.UnmarshalTo(&m); err != nil {
		return capabilities.Capability{}, err
	}
	if !sameMajor(m.GetModelVersion()) {
		return capabilities.Capability{}, fmt.Errorf("%w %s: it has %s", ErrUnsupported, yang.Version, m.GetModelVersion())
	}
	return Unmarshal(m.GetJsonIetf())
}

// sameMajor reports whether a version of the model means by its names what ours does. No version is no statement.
func sameMajor(version string) bool {
	ours, _, _ := strings.Cut(yang.Version, ".")
	theirs, _, _ := strings.Cut(version, ".")
	return theirs == ours || theirs == ""
}
