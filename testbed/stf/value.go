package stf

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/keyway-nve/keyway/testbed/engine"
)

// digits splits a number into its base and digits.
func digits(s string) (base, bits int, rest string) {
	switch {
	case strings.HasPrefix(s, "0x"), strings.HasPrefix(s, "0X"):
		return 16, 4, s[2:]
	case strings.HasPrefix(s, "0b"), strings.HasPrefix(s, "0B"):
		return 2, 1, s[2:]
	}
	return 10, 0, s
}

// number reads a value as bytes of a field of the given width.
func number(s string, width int) ([]byte, error) {
	base, _, d := digits(s)
	n, ok := new(big.Int).SetString(d, base)
	if !ok || n.Sign() < 0 {
		return nil, fmt.Errorf("%q is no number", s)
	}
	if n.BitLen() > width {
		return nil, fmt.Errorf("%s does not fit in %d bits", s, width)
	}
	return n.FillBytes(make([]byte, (width+7)/8)), nil
}

// wildcard reads a value whose digits may be *. The mask covers the digits that are written, as in bmv2's runner.
func wildcard(s string, width int) (value, mask []byte, err error) {
	base, bits, d := digits(s)
	if bits == 0 {
		if value, err = number(s, width); err != nil {
			return nil, nil, err
		}
		m := new(big.Int).Lsh(big.NewInt(1), uint(width))
		return value, m.Sub(m, big.NewInt(1)).FillBytes(make([]byte, len(value))), nil
	}
	var v, m strings.Builder
	for _, c := range d {
		if c == '*' {
			v.WriteByte('0')
			m.WriteByte('0')
			continue
		}
		v.WriteRune(c)
		m.WriteString(strconv.FormatInt(int64(base-1), base))
	}
	prefix := s[:2]
	if value, err = number(prefix+v.String(), width); err != nil {
		return nil, nil, err
	}
	// A mask may be written wider than the field: 0xf for a bit.
	mm, _ := new(big.Int).SetString(m.String(), base)
	all := new(big.Int).Lsh(big.NewInt(1), uint(width))
	mm.And(mm, all.Sub(all, big.NewInt(1)))
	return value, mm.FillBytes(make([]byte, len(value))), nil
}

// match reads the value of one key field.
func match(k engine.KeyField, s string) (engine.Match, error) {
	m := engine.Match{Kind: k.Kind}
	var err error
	switch k.Kind {
	case engine.MatchTernary:
		if v, mask, ok := strings.Cut(s, "&&&"); ok {
			if m.Value, err = number(v, k.Bits); err == nil {
				m.Mask, err = number(mask, k.Bits)
			}
			return m, err
		}
		m.Value, m.Mask, err = wildcard(s, k.Bits)
	case engine.MatchLPM:
		v, length, ok := strings.Cut(s, "/")
		if !ok {
			_, bits, d := digits(s)
			stars := strings.Count(d, "*")
			length = strconv.Itoa((len(d) - stars) * bits)
			if bits == 0 {
				length = strconv.Itoa(k.Bits)
			}
			v = strings.ReplaceAll(s, "*", "0")
		}
		if m.PrefixLen, err = strconv.Atoi(length); err == nil {
			m.PrefixLen = min(m.PrefixLen, k.Bits)
			m.Value, err = number(v, k.Bits)
		}
	case engine.MatchRange:
		lo, hi, ok := strings.Cut(s, "..")
		if !ok {
			hi = lo
		}
		if m.Value, err = number(lo, k.Bits); err == nil {
			m.High, err = number(hi, k.Bits)
		}
	default:
		m.Value, err = number(s, k.Bits)
	}
	return m, err
}

// wild is the match of a field that a script does not mention.
func wild(k engine.KeyField) engine.Match {
	n := (k.Bits + 7) / 8
	m := engine.Match{Kind: k.Kind, Value: make([]byte, n)}
	switch k.Kind {
	case engine.MatchTernary:
		m.Mask = make([]byte, n)
	case engine.MatchRange:
		all := new(big.Int).Lsh(big.NewInt(1), uint(k.Bits))
		m.High = all.Sub(all, big.NewInt(1)).FillBytes(make([]byte, n))
	}
	return m
}
