package layouts

import (
	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/controller/intent"
)

// capability returns what is known of an NVE.
func (in Input) capability(d *intent.Device) (capabilities.Capability, bool) {
	said := configured(d)
	if told, ok := in.Told[d.Name]; ok {
		said = append(said, told)
	}
	// A device that can be asked, and has not answered, is not taken for one that
	// can do whatever its program can.
	if d.Managed() && (len(said) > 0 || d.GNMI == "") {
		said = append(said, in.Program)
	}
	return all(d.Name, said)
}

// configured is what the intent says of a device.
func configured(d *intent.Device) []capabilities.Capability {
	var said []capabilities.Capability
	if d.Capability != nil {
		said = append(said, *d.Capability)
	}
	if d.Profile != "" {
		if p, err := capabilities.ShippedProfile(d.Profile); err == nil { // else the intent is invalid
			said = append(said, p.Capability)
		}
	}
	return said
}

// all is what is true if all of it is.
func all(name string, said []capabilities.Capability) (capabilities.Capability, bool) {
	if len(said) == 0 {
		return capabilities.Capability{}, false
	}
	c := said[0]
	for _, other := range said[1:] {
		c = capabilities.Intersect(c, other)
	}
	c.Name = name
	return c, true
}

// transit returns what a transit device looks at behind the outer headers, and
// false if that is nothing: each option that it reads, at its place, and what its
// configuration says beyond that.
func transit(in *intent.Intent, d *intent.Device) (capabilities.Capability, bool) {
	said := configured(d)
	if len(d.Reads) > 0 {
		reads := capabilities.Capability{Role: capabilities.RoleTransit, Encapsulations: []capabilities.Encapsulation{{Kind: capabilities.Geneve}}}
		for _, r := range d.Reads {
			o, ok := in.OptionType(r.Option)
			if !ok {
				continue
			}
			one := []capabilities.OptionRange{capabilities.Exactly(o.TLV())}
			reads.Receive.Options = append(reads.Receive.Options, one...)
			reads.Receive.Order = append(reads.Receive.Order, capabilities.OrderRule{
				Kind: capabilities.Slot, Options: one, At: capabilities.WordRange(int(r.Word), int(r.Word)),
			})
		}
		said = append(said, reads)
	}
	return all(d.Name, said)
}
