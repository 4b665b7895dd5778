package capabilities_test

import (
	"errors"
	"slices"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	"google.golang.org/protobuf/proto"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
)

func derived(t *testing.T, load func() (*p4.Program, error)) (capabilities.Capability, *p4.Program) {
	t.Helper()
	program, err := load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := tables.NewSchema(program.P4Info)
	if err != nil {
		t.Fatal(err)
	}
	c, err := capabilities.FromSchema(program.Name, s)
	if err != nil {
		t.Fatal(err)
	}
	return c, program
}

// What the programs' P4Info says of the devices that run them.
func TestFromSchema(t *testing.T) {
	for name, load := range map[string]func() (*p4.Program, error){"nve": p4.NVE, "transit": p4.Transit} {
		t.Run(name, func(t *testing.T) {
			c, _ := derived(t, load)
			if err := c.Validate(); err != nil {
				t.Error(err)
			}
			text, err := c.YAML()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "testdata/derived/"+name+".golden", string(text))
		})
	}
}

func TestFromSchemaRefuses(t *testing.T) {
	annotate := func(texts ...string) error {
		program, err := p4.NVE()
		if err != nil {
			t.Fatal(err)
		}
		info := proto.Clone(program.P4Info).(*p4configv1.P4Info)
		for _, table := range info.Tables {
			table.Preamble.Annotations = slices.DeleteFunc(table.Preamble.Annotations, func(s string) bool { return s == "@option_window(16)" })
		}
		for i, text := range texts {
			info.Tables[i].Preamble.Annotations = append(info.Tables[i].Preamble.Annotations, text)
		}
		s, err := tables.NewSchema(info)
		if err != nil {
			t.Fatal(err)
		}
		_, err = capabilities.FromSchema("device", s)
		return err
	}
	if err := annotate(); !errors.Is(err, capabilities.ErrNoWindow) {
		t.Errorf("no annotation: %v", err)
	}
	for name, texts := range map[string][]string{
		"two tables": {"@option_window(16)", "@option_window(16)"},
		"no number":  {"@option_window"},
		"no words":   {"@option_window(0)"},
		"64 words":   {"@option_window(64)"},
		"a word":     {"@option_window(sixteen)"},
		"two":        {"@option_window(16, 16)"},
	} {
		if err := annotate(texts...); err == nil || errors.Is(err, capabilities.ErrNoWindow) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A Tofino that runs the program can do what both allow.
func TestFromSchemaAndProfile(t *testing.T) {
	program, _ := derived(t, p4.NVE)
	profile, err := capabilities.ShippedProfile("tofino-option-window")
	if err != nil {
		t.Fatal(err)
	}
	c := capabilities.Intersect(program, profile.Capability)
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	for _, f := range slices.Concat(c.Receive.Fields, c.Send.Fields) {
		if f.Words != capabilities.WordRange(0, 13) {
			t.Errorf("field %s can be had in words %v", f.Field, f.Words)
		}
	}
	if c.Receive.Rows != 512 {
		t.Errorf("%d rows, want the program's 512", c.Receive.Rows)
	}
}
