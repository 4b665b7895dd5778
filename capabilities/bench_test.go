package capabilities_test

import (
	"fmt"
	"testing"

	"github.com/keyway-nve/keyway/capabilities"
	"github.com/keyway-nve/keyway/proto/geneve"
)

// sixteen returns a question with sixteen wanted options, for a receiver that parses them in one order.
func sixteen(bytes uint16) (sender, receiver capabilities.Capability, wanted capabilities.Wanted) {
	tunnel := []capabilities.Encapsulation{{Kind: capabilities.Geneve}}
	sender = capabilities.Capability{Name: "sender", Role: capabilities.RoleNVE, Encapsulations: tunnel,
		Send: capabilities.Direction{Options: []capabilities.OptionRange{capabilities.EveryOption(15)}}}
	receiver = capabilities.Capability{Name: "receiver", Role: capabilities.RoleNVE, Encapsulations: tunnel}
	rule := capabilities.OrderRule{Kind: capabilities.List}
	for i := range 16 {
		t := geneve.OptionType{Class: 0xff01, Type: uint8(i), Len: uint8(1 + i*5%4)}
		wanted.Options = append(wanted.Options, capabilities.WantedOption{
			Name: fmt.Sprintf("option%d", i), Type: t, Required: i == 3, Weight: uint16(1 + i*7%11), Words: []capabilities.WantedWord{{Field: "group"}},
		})
		rule.Options = append([]capabilities.OptionRange{capabilities.Exactly(t)}, rule.Options...)
	}
	receiver.Receive = capabilities.Direction{
		Options: []capabilities.OptionRange{capabilities.EveryOption(15)},
		Order:   []capabilities.OrderRule{rule},
		Limits:  capabilities.Limits{Bytes: bytes},
	}
	return sender, receiver, wanted
}

func BenchmarkSolve(b *testing.B) {
	for _, bytes := range []uint16{64, 252} {
		b.Run(fmt.Sprintf("16 options, fixed order, %d bytes", bytes), func(b *testing.B) {
			sender, receiver, wanted := sixteen(bytes)
			b.ReportAllocs()
			for b.Loop() {
				if _, why := capabilities.Solve(sender, receiver, capabilities.Path{}, wanted); !why.Satisfied() {
					b.Fatal(why.Conflict)
				}
			}
		})
	}
	b.Run("16 options, fixed order, field in words 0-13", func(b *testing.B) {
		sender, receiver, wanted := sixteen(64)
		receiver.Receive.Fields = []capabilities.FieldWords{{Field: "group", Words: capabilities.WordRange(0, 13)}}
		b.ReportAllocs()
		for b.Loop() {
			if _, why := capabilities.Solve(sender, receiver, capabilities.Path{}, wanted); !why.Satisfied() {
				b.Fatal(why.Conflict)
			}
		}
	})
	b.Run("16 required options, 8 bytes", func(b *testing.B) {
		sender, receiver, wanted := sixteen(8)
		for i := range wanted.Options {
			wanted.Options[i].Required = true
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, why := capabilities.Solve(sender, receiver, capabilities.Path{}, wanted); why.Satisfied() {
				b.Fatal("a layout")
			}
		}
	})
}
