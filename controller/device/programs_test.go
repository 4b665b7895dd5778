package device_test

import (
	"context"
	"encoding/hex"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyway-nve/keyway/controller/device"
	"github.com/keyway-nve/keyway/p4"
	"github.com/keyway-nve/keyway/tables"
)

// entities is the program that has one of everything that P4Runtime knows.
func entities() (*p4.Program, error) {
	const at = "../../testbed/p4rt/testdata/entities"
	text, err := os.ReadFile(at + ".p4info.txtpb")
	if err != nil {
		return nil, err
	}
	config, err := os.ReadFile(at + ".json")
	if err != nil {
		return nil, err
	}
	info := new(p4configv1.P4Info)
	return &p4.Program{Name: "entities", P4Info: info, DeviceConfig: config}, prototext.Unmarshal(text, info)
}

// some returns two entries of every table of a program, a default action
// wherever one can be set, and some of everything else.
func some(s *tables.Schema) []tables.Entity {
	es := []tables.Entity{
		group(1, 300), group(2, 300, 301, 302),
		tables.CloneSession{ID: 3, Replicas: []tables.Replica{{Port: 510, Instance: 1}}, MaxLength: 128},
	}
	rates := &tables.Rates{CIR: 100, CommittedBurst: 10, PIR: 1000, PeakBurst: 20}
	call := func(t *tables.Table, not tables.Scope) tables.Call {
		for _, ref := range t.Actions {
			if ref.Scope == not {
				continue
			}
			c := tables.Do(ref.Name)
			for _, p := range ref.Params {
				c.Args = append(c.Args, tables.Arg{Param: p.Name, Value: tables.Uint(uint8(1))})
			}
			return c
		}
		return tables.Call{}
	}
	for _, t := range s.Tables() {
		if t.Profile != nil {
			continue
		}
		if !t.ConstDefault {
			es = append(es, tables.Entry{Table: t.Name, Default: true, Action: call(t, tables.ScopeEntries)})
		}
		if t.Const || len(t.Fields) == 0 {
			continue
		}
		for n := range uint8(2) {
			e := tables.Entry{Table: t.Name, Action: call(t, tables.ScopeDefault), Metadata: "mine"}
			for _, f := range t.Fields {
				v := tables.Uint(n)
				switch f.Kind {
				case tables.KindExact:
					e.Matches = append(e.Matches, tables.Exact(f.Name, v))
				case tables.KindLPM:
					e.Matches = append(e.Matches, tables.LPM(f.Name, v, f.Width))
				case tables.KindTernary:
					e.Matches = append(e.Matches, tables.Ternary(f.Name, v, tables.Uint(uint8(1))))
				case tables.KindRange:
					e.Matches = append(e.Matches, tables.Range(f.Name, v, tables.Uint(n+1)))
				case tables.KindOptional:
					e.Matches = append(e.Matches, tables.Optional(f.Name, v))
				}
			}
			if t.Ranked() {
				e.Priority = 1000 + int32(n)
			}
			if t.Meter != nil {
				e.Rates = rates
			}
			if t.IdleTimeout {
				e.IdleTimeout = 10 * time.Second
			}
			es = append(es, e)
		}
	}
	for _, m := range s.Meters() {
		if m.Table == nil {
			es = append(es, tables.MeterCell{Meter: m.Name, Index: 2, Rates: rates})
		}
	}
	for _, d := range s.Digests() {
		es = append(es, tables.DigestConfig{Digest: d.Name, MaxList: 1, AckTimeout: time.Second})
	}
	return es
}

// What a device reads back is what was written, for every kind of entity: an
// audit that finds nothing does nothing.
func TestPrograms(t *testing.T) {
	for name, program := range map[string]func() (*p4.Program, error){"nve": p4.NVE, "transit": p4.Transit, "entities": entities} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tg := newTarget(t, nil)
				var err error
				tg.program, err = program()
				must(t, err)
				tg.schema, err = tables.NewSchema(tg.program.P4Info)
				must(t, err)
				var r repairs
				d := tg.controller(r.options())
				run(t, d)
				must(t, d.SetDesired(1, some(tg.schema)))
				expect(t, d, device.InSync, 1)
				tg.told()
				settle(3 * time.Minute)
				if us := tg.told(); len(us) != 0 {
					t.Errorf("told %q", us)
				}
				r.expect(t)

				tg.server.Forget()
				settle(2 * time.Minute)
				expect(t, d, device.InSync, 1)
				r = nil
				must(t, d.SetDesired(2, nil))
				expect(t, d, device.InSync, 2)
				tg.told()
				settle(3 * time.Minute)
				if us := tg.told(); len(us) != 0 {
					t.Errorf("told %q though all was taken back", us)
				}
				r.expect(t)
			})
		})
	}
}

func TestDigestsAndTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := newTarget(t, nil)
		var err error
		tg.program, err = entities()
		must(t, err)
		tg.schema, err = tables.NewSchema(tg.program.P4Info)
		must(t, err)
		var learned []string
		var idle int
		d := tg.controller(device.Options{
			Digest: func(_ context.Context, l *p4v1.DigestList) {
				for _, data := range l.GetData() {
					learned = append(learned, hex.EncodeToString(data.GetStruct().GetMembers()[0].GetBitstring()))
				}
			},
			IdleTimeout: func(_ context.Context, n *p4v1.IdleTimeoutNotification) { idle += len(n.GetTableEntry()) },
		})
		run(t, d)
		must(t, d.SetDesired(1, some(tg.schema)))
		expect(t, d, device.InSync, 1)

		probe := append(make([]byte, 6), 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 0x88, 0xb5, 3) // mode 3: learn
		probe = append(probe, make([]byte, 8)...)
		for range 3 { // acknowledged, so it is news each time
			tg.server.Process(4, probe)
			settle(100 * time.Millisecond)
		}
		if diff := cmp.Diff([]string{"0a0b0c0d0e0f", "0a0b0c0d0e0f", "0a0b0c0d0e0f"}, learned); diff != "" {
			t.Errorf("learned (-want +got):\n%s", diff)
		}
		settle(12 * time.Second)
		tg.server.Sweep()
		synctest.Wait()
		if idle < 2 {
			t.Errorf("%d entries were reported idle", idle)
		}
	})
}
