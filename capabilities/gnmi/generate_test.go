package gnmi

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/keyway-nve/keyway/capabilities"
)

// drawCapability draws a capability that Validate takes, of every shape that the type has.
func drawCapability(t *rapid.T) capabilities.Capability {
	c := capabilities.Capability{
		Name:            rapid.StringMatching(`[a-z0-9/\]\[ =*\\é]{1,12}`).Draw(t, "name"),
		Role:            rapid.SampledFrom([]capabilities.Role{capabilities.RoleNVE, capabilities.RoleOffload, capabilities.RoleTransit}).Draw(t, "role"),
		Reconfiguration: capabilities.Reconfiguration(rapid.IntRange(0, int(capabilities.AtRuntime)).Draw(t, "reconfiguration")),
		SamePorts:       rapid.Bool().Draw(t, "samePorts"),
	}
	kinds := rapid.Permutation([]capabilities.EncapsulationKind{capabilities.Geneve, capabilities.NVGRE, capabilities.GUE, capabilities.VXLANGPE}).Draw(t, "kinds")
	for _, k := range kinds[:rapid.IntRange(1, 4).Draw(t, "encapsulations")] {
		e := capabilities.Encapsulation{Kind: k, Only: capabilities.Way(rapid.IntRange(0, 2).Draw(t, "only"))}
		e.Inner = drawSome(t, "inner", rapid.Uint16())
		if k != capabilities.NVGRE {
			e.Ports = rapid.SliceOfNDistinct(rapid.Uint16Min(1), 0, 3, rapid.ID[uint16]).Draw(t, "ports")
			e.ZeroChecksum = rapid.Permutation([]capabilities.Family{capabilities.IPv6, capabilities.IPv4}).Draw(t, "zero")[:rapid.IntRange(0, 2).Draw(t, "zeros")]
		}
		e.Ports, e.ZeroChecksum = orNil(e.Ports), orNil(e.ZeroChecksum)
		c.Encapsulations = append(c.Encapsulations, e)
	}
	geneve, ok := c.Encapsulation(capabilities.Geneve)
	if ok && geneve.Only != capabilities.OnlySend {
		c.Receive = drawDirection(t)
	}
	if ok && geneve.Only != capabilities.OnlyReceive && c.Role != capabilities.RoleTransit {
		c.Send = drawDirection(t)
	}
	behaviour := func(from ...capabilities.Behaviour) capabilities.Behaviour {
		return rapid.SampledFrom(append(from, 0)).Draw(t, "behaviour")
	}
	if c.Role == capabilities.RoleTransit {
		c.Exceptions.Unknown, c.Exceptions.UnknownCritical = behaviour(capabilities.Skip), behaviour(capabilities.Accept, capabilities.Skip)
	} else {
		c.Exceptions = capabilities.Exceptions{
			Unknown:         behaviour(capabilities.Skip, capabilities.Drop, capabilities.Punt),
			UnknownCritical: behaviour(capabilities.Drop, capabilities.Punt),
			Malformed:       behaviour(capabilities.Drop, capabilities.Punt),
		}
		if _, ok := c.Encapsulation(capabilities.NVGRE); ok {
			b := rapid.SliceOfN(rapid.Bool(), 4, 4).Draw(t, "nvgreExt")
			c.NVGREExt = capabilities.NVGREExt{SendRedirect: b[0], SendUnreachable: b[1], ReceiveRedirect: b[2], ReceiveUnreachable: b[3]}
		}
	}
	c.Exceptions.Duplicate = behaviour(capabilities.Accept, capabilities.Skip, capabilities.Drop, capabilities.Punt)
	c.Exceptions.Control = behaviour(capabilities.Accept, capabilities.Skip, capabilities.Drop, capabilities.Punt)
	if err := c.Validate(); err != nil {
		t.Skip(err)
	}
	return c
}

func drawDirection(t *rapid.T) capabilities.Direction {
	var d capabilities.Direction
	types := rapid.SliceOfNDistinct(rapid.Uint8(), 0, 12, rapid.ID[uint8]).Draw(t, "types")
	for _, typ := range types {
		o := capabilities.OptionRange{Type: typ, Class: rapid.Uint16().Draw(t, "class"), AnyClass: rapid.Bool().Draw(t, "anyClass")}
		o.MaxWords = rapid.Uint8Max(capabilities.MaxDataWords).Draw(t, "most")
		o.MinWords = rapid.Uint8Max(o.MaxWords).Draw(t, "least")
		if o.AnyClass {
			o.Class = 0
		}
		d.Options = append(d.Options, o)
	}
	if len(types) == 0 {
		if !rapid.Bool().Draw(t, "every") {
			return d
		}
		d.Options = []capabilities.OptionRange{capabilities.EveryOption(31)}
	}
	d.ClassMatch = capabilities.ClassMatch(rapid.IntRange(0, 3).Draw(t, "classMatch"))
	d.LengthIgnored = rapid.Bool().Draw(t, "lengthIgnored")
	d.Rows = rapid.Uint32().Draw(t, "rows")
	d.Limits.Options = rapid.Uint8Max(1).Draw(t, "options")
	d.Limits.ParserDepth = rapid.SampledFrom([]uint16{0, 256, 512}).Draw(t, "depth")
	d.IPv6.Options = rapid.Uint8Max(1).Draw(t, "options6")
	d.IPv4.ParserDepth = rapid.SampledFrom([]uint16{0, 128, 65535}).Draw(t, "depth4")
	if d.IPv4.ParserDepth > 0 {
		d.IPv4.InnerBytes = rapid.Uint16Max(64).Draw(t, "inner4")
	}
	words := rapid.Custom(func(t *rapid.T) capabilities.WordSet {
		return capabilities.WordSet(rapid.Uint64Max(1<<capabilities.MaxOptionWords-1).Draw(t, "words"))
	})
	for _, i := range drawSome(t, "slots", rapid.IntRange(0, len(d.Options)-1)) {
		d.Order = append(d.Order, capabilities.OrderRule{Kind: capabilities.Slot, Options: d.Options[i : i+1 : i+1], At: 1 | words.Draw(t, "at")})
	}
	switch kind := rapid.SampledFrom([]capabilities.OrderKind{0, capabilities.List, capabilities.Canonical, capabilities.Reverse, capabilities.First, capabilities.Positional}).Draw(t, "rule"); {
	case kind == capabilities.Positional:
		d.Order = append(d.Order, capabilities.OrderRule{Kind: kind})
	case kind != 0 && len(d.Options) > 1:
		d.Order = append(d.Order, capabilities.OrderRule{Kind: kind, Options: rapid.Permutation(d.Options).Draw(t, "ordered")})
	}
	d.Pools = drawSome(t, "pools", rapid.Custom(func(t *rapid.T) capabilities.Pool {
		p := capabilities.Pool{Words: rapid.Uint8Min(1).Draw(t, "words")}
		p.PerOption = rapid.Uint8Max(p.Words).Draw(t, "perOption")
		return p
	}))
	for _, name := range rapid.SliceOfNDistinct(rapid.StringN(1, 8, -1), 0, 12, rapid.ID[string]).Draw(t, "fields") {
		d.Fields = append(d.Fields, capabilities.FieldWords{Field: name, Words: words.Draw(t, "at")})
	}
	return d
}

func drawSome[T any](t *rapid.T, label string, g *rapid.Generator[T]) []T {
	return orNil(rapid.SliceOfN(g, 0, 3).Draw(t, label))
}

// orNil makes an empty list nil: both are no statement.
func orNil[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

// shipped returns the capabilities of the shipped profiles.
func shipped(t testing.TB) []capabilities.Capability {
	t.Helper()
	var out []capabilities.Capability
	for _, name := range capabilities.Profiles() {
		out = append(out, shippedProfile(t, name))
	}
	return out
}

func shippedProfile(t testing.TB, name string) capabilities.Capability {
	t.Helper()
	p, err := capabilities.ShippedProfile(name)
	if err != nil {
		t.Fatal(err)
	}
	return p.Capability
}

// goldens returns the capabilities of the files in testdata/golden, by name.
func goldens(t testing.TB) map[string]capabilities.Capability {
	t.Helper()
	files, err := filepath.Glob("testdata/golden/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	out := map[string]capabilities.Capability{}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c, err := capabilities.ParseCapability(f, src)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ".yaml")] = c
	}
	return out
}
