package tables

import "net/netip"

// Masked is a ternary match of a binding's key. The zero value matches anything.
type Masked[T any] struct {
	Value, Mask T
	exact       bool
}

// Is matches v alone.
func Is[T any](v T) Masked[T] { return Masked[T]{Value: v, exact: true} }

// In matches the addresses of p.
func In(p netip.Prefix) Masked[netip.Addr] {
	if !p.IsValid() { // matches nothing, and is refused as no value
		return Masked[netip.Addr]{exact: true}
	}
	mask, _ := ones(p.Bits(), p.Addr().BitLen()-p.Bits()).Fixed(p.Addr().BitLen())
	m := Masked[netip.Addr]{Value: p.Addr()}
	m.Mask, _ = netip.AddrFromSlice(mask)
	return m
}

// Leading is an LPM match of a binding's key that is no IP prefix: the first
// Len bits of Value. The zero value matches anything.
type Leading[T any] struct {
	Value T
	Len   int
}

// Span is a range match of a binding's key. The zero value matches anything.
type Span[T any] struct {
	low, high T
	set       bool
}

// Between matches from low to high, both included.
func Between[T any](low, high T) Span[T] { return Span[T]{low, high, true} }

// Maybe is an optional match of a binding's key. The zero value matches anything.
type Maybe[T any] struct {
	value T
	set   bool
}

// Some matches v alone.
func Some[T any](v T) Maybe[T] { return Maybe[T]{v, true} }

// TernaryOf adds a binding's ternary match to b.
func TernaryOf[T any](b *Builder, field string, width int, m Masked[T], value func(T) Value) {
	if m.exact {
		b.Ternary(field, width, value(m.Value), ones(width, 0))
		return
	}
	if mask := value(m.Mask); mask != "" && !mask.isZero() {
		b.Ternary(field, width, value(m.Value), mask)
		return
	}
	b.Any()
}

// TernaryAddrOf adds a binding's ternary match of an address to b. In a field
// of 128 bits an IPv4 address under an IPv4 mask is mapped (see [Mapped]).
func TernaryAddrOf(b *Builder, field string, width int, m Masked[netip.Addr]) {
	switch {
	case width == 32:
		TernaryOf(b, field, width, m, IPv4)
	case !m.exact && m.Value.Is4() && m.Mask.Is4():
		mask := m.Mask.As16()
		for i := range 12 {
			mask[i] = 0xff
		}
		b.Ternary(field, width, Mapped(m.Value), Bytes(mask[:]))
	default:
		TernaryOf(b, field, width, m, Mapped)
	}
}

// LeadingOf adds a binding's LPM match to b.
func LeadingOf[T any](b *Builder, field string, width int, m Leading[T], value func(T) Value) {
	b.LPM(field, width, value(m.Value), m.Len)
}

// PrefixOf adds a binding's match of an IP prefix to b; the zero Prefix
// matches anything. In a field of 128 bits an IPv4 prefix is mapped (see
// [Mapped]).
func PrefixOf(b *Builder, field string, width int, p netip.Prefix) {
	switch {
	case p == netip.Prefix{}:
	case width == 32:
		b.LPM(field, width, IPv4(p.Addr()), p.Bits())
	case p.Addr().Is4():
		b.LPM(field, width, Mapped(p.Addr()), 96+p.Bits())
	default:
		b.LPM(field, width, IPv6(p.Addr()), p.Bits())
	}
}

// SpanOf adds a binding's range match to b.
func SpanOf[T any](b *Builder, field string, width int, r Span[T], value func(T) Value) {
	if r.set {
		b.Range(field, width, value(r.low), value(r.high))
		return
	}
	b.Any()
}

// MaybeOf adds a binding's optional match to b.
func MaybeOf[T any](b *Builder, field string, width int, m Maybe[T], value func(T) Value) {
	if m.set {
		b.Optional(field, width, value(m.value))
		return
	}
	b.Any()
}
