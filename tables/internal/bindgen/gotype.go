package bindgen

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/keyway-nve/keyway/tables"
)

// goType is how a field appears in Go.
type goType struct {
	name string // "uint32"
	make string // function from it to a tables.Value: "tables.Uint"
	read string // function from a canonical Value to it; "" for an array
	addr bool   // an IP address
}

func typeOf(f *tables.Field) goType {
	switch {
	case f.Format == tables.FormatMAC && f.Width == 48:
		return goType{name: "ethernet.MAC", make: "tables.MAC", read: "tables.AsMAC"}
	case f.Format == tables.FormatIPv4 && f.Width == 32:
		return goType{name: "netip.Addr", make: "tables.IPv4", read: "tables.AsIPv4", addr: true}
	case f.Format == tables.FormatIPv6 && f.Width == 128:
		return goType{name: "netip.Addr", make: "tables.IPv6", read: "tables.AsIPv6", addr: true}
	case f.Width == 0:
		return goType{name: "string", make: "tables.Text", read: "string"}
	case f.Width == 1:
		return goType{name: "bool", make: "tables.Bool", read: "tables.AsBool"}
	case f.Width > 64:
		n := (f.Width + 7) / 8
		return goType{
			name: fmt.Sprintf("[%d]byte", n),
			make: fmt.Sprintf("func(v [%d]byte) tables.Value { return tables.Bytes(v[:]) }", n),
		}
	}
	size := 8
	for size < f.Width {
		size *= 2
	}
	return goType{
		name: fmt.Sprintf("uint%d", size),
		make: "tables.Uint",
		read: fmt.Sprintf("tables.AsUint[uint%d]", size),
	}
}

// keyType is a key field's Go type, with what a match of its kind adds.
func keyType(f *tables.Field) string {
	t := typeOf(f)
	switch f.Kind {
	case tables.KindTernary:
		return "tables.Masked[" + t.name + "]"
	case tables.KindLPM:
		if t.addr {
			return "netip.Prefix"
		}
		return "tables.Leading[" + t.name + "]"
	case tables.KindRange:
		return "tables.Span[" + t.name + "]"
	case tables.KindOptional:
		return "tables.Maybe[" + t.name + "]"
	}
	return t.name
}

// match is the statement that adds a key field to the builder b: name is a Go
// expression for the field's name, value one for its value.
func match(f *tables.Field, name, value string) string {
	t := typeOf(f)
	if f.Width == 128 && t.addr {
		t.make = "tables.Mapped" // a key may hold addresses of both families
	}
	switch f.Kind {
	case tables.KindTernary:
		if t.addr {
			return fmt.Sprintf("tables.TernaryAddrOf(b, %s, %d, %s)", name, f.Width, value)
		}
		return fmt.Sprintf("tables.TernaryOf(b, %s, %d, %s, %s)", name, f.Width, value, t.make)
	case tables.KindLPM:
		if t.addr {
			return fmt.Sprintf("tables.PrefixOf(b, %s, %d, %s)", name, f.Width, value)
		}
		return fmt.Sprintf("tables.LeadingOf(b, %s, %d, %s, %s)", name, f.Width, value, t.make)
	case tables.KindRange:
		return fmt.Sprintf("tables.SpanOf(b, %s, %d, %s, %s)", name, f.Width, value, t.make)
	case tables.KindOptional:
		return fmt.Sprintf("tables.MaybeOf(b, %s, %d, %s, %s)", name, f.Width, value, t.make)
	}
	return fmt.Sprintf("b.Exact(%s, %d, %s)", name, f.Width, call(t, value))
}

// call is the expression of a value; an array is sliced where it stands.
func call(t goType, value string) string {
	if t.read == "" {
		return "tables.Bytes(" + value + "[:])"
	}
	return t.make + "(" + value + ")"
}

// initialisms are written in capitals, as Go has it.
var initialisms = map[string]string{
	"acl": "ACL", "arp": "ARP", "bum": "BUM", "ca": "CA", "crc": "CRC", "dscp": "DSCP", "ecn": "ECN", "eth": "Eth",
	"gre": "GRE", "hw": "HW", "icmp": "ICMP", "id": "ID", "ip": "IP", "ipv4": "IPv4", "ipv6": "IPv6", "l4": "L4",
	"mac": "MAC", "mtu": "MTU", "nvgre": "NVGRE", "nve": "NVE", "oam": "OAM", "pa": "PA", "pcp": "PCP", "rid": "RID",
	"tcp": "TCP", "ttl": "TTL", "tos": "TOS", "udp": "UDP", "vid": "VID", "vlan": "VLAN", "vn": "VN", "vni": "VNI",
	"vrf": "VRF", "vsid": "VSID",
}

// camel turns a P4 name into an exported Go name: "read_group.src_ip" into
// ReadGroupSrcIP.
func camel(name string) string {
	var b strings.Builder
	for word := range words(name) {
		if s, ok := initialisms[strings.ToLower(word)]; ok {
			b.WriteString(s)
			continue
		}
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	if s := b.String(); s != "" && !unicode.IsDigit(rune(s[0])) {
		return s
	}
	return "X" + b.String()
}

// lower is camel with a small first word, for parameters.
func lower(name string) string {
	var b strings.Builder
	for word := range words(name) {
		s, ok := initialisms[strings.ToLower(word)]
		switch {
		case b.Len() == 0:
			b.WriteString(strings.ToLower(word))
		case ok:
			b.WriteString(s)
		default:
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	switch s := b.String(); s {
	case "b", "k", "break", "case", "chan", "const", "continue", "default", "defer", "else", "fallthrough", "for", "func",
		"go", "goto", "if", "import", "interface", "map", "package", "range", "return", "select", "struct", "switch",
		"type", "var", "n", "tables", "netip", "ethernet", "strconv", "bool", "string":
		return s + "_"
	default:
		return s
	}
}

func words(name string) func(func(string) bool) {
	return strings.FieldsFuncSeq(name, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// wrap breaks text into lines of at most width bytes where words allow.
func wrap(text string, width int) string {
	var b strings.Builder
	n := 0
	for _, word := range strings.Fields(text) {
		switch {
		case n == 0:
		case n+1+len(word) > width:
			b.WriteByte('\n')
			n = 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += len(word)
	}
	return b.String()
}
