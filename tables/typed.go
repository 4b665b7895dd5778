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
	m := ones(p.Bits(), p.Addr().BitLen()-p.Bits())
	fixed, err := m.Fixed(p.Addr().BitLen())
	if err != nil { // an invalid prefix matches nothing and is refused as no value
		return Masked[netip.Addr]{exact: true}
	}
	mask, _ := netip.AddrFromSlice(fixed)
	return Masked[netip.Addr]{Value: p.Addr(), Mask: mask}
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

// LeadingOf adds a binding's LPM match to b.
func LeadingOf[T any](b *Builder, field string, width int, m Leading[T], value func(T) Value) {
	b.LPM(field, width, value(m.Value), m.Len)
}

// PrefixOf adds a binding's match of an IP prefix to b; the zero Prefix
// matches anything. value is IPv4 or IPv6.
func PrefixOf(b *Builder, field string, width int, p netip.Prefix, value func(netip.Addr) Value) {
	if p != (netip.Prefix{}) {
		b.LPM(field, width, value(p.Addr()), p.Bits())
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
