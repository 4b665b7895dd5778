package capabilities

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/keyway-nve/keyway/proto/geneve"
)

// Errors of reading option ranges and word sets from text.
var (
	ErrOptionRange = errors.New("not an option range, like 0x0102/0x80/1w, 0xff01/*/0-4w or */*/0-31w")
	ErrWordSet     = errors.New("not a set of words, like 0, 0-13, 0,4-6 or none")
)

// OptionRange is a set of option types: one class or all, one type or all, and a range of data lengths.
//
// Its text is class/type/words: "0x0102/0x80/1w" is one option type, "0x0102/0x80/1-4w" has several lengths, and "*" stands for every class
// or every type. The type is the whole octet, whose high bit says critical (RFC 8926 §3.5).
type OptionRange struct {
	AnyClass, AnyType bool
	Class             uint16 // 0 if AnyClass
	Type              uint8  // 0 if AnyType
	// MinWords and MaxWords bound the length of the data in words of 4 bytes, 0 to 31.
	MinWords, MaxWords uint8
}

// Exactly returns the range that has one option type.
func Exactly(t geneve.OptionType) OptionRange {
	return OptionRange{Class: t.Class, Type: t.Type, MinWords: t.Len, MaxWords: t.Len}
}

// EveryOption returns the range of all options with at most words of data.
func EveryOption(words uint8) OptionRange {
	return OptionRange{AnyClass: true, AnyType: true, MaxWords: words}
}

// Contains reports whether t is in the range.
func (r OptionRange) Contains(t geneve.OptionType) bool {
	return (r.AnyClass || r.Class == t.Class) && (r.AnyType || r.Type == t.Type) && t.Len >= r.MinWords && t.Len <= r.MaxWords
}

// Intersect returns the option types that are in both ranges, and whether there are any.
func (r OptionRange) Intersect(s OptionRange) (OptionRange, bool) {
	out := OptionRange{
		AnyClass: r.AnyClass && s.AnyClass, AnyType: r.AnyType && s.AnyType,
		Class: r.Class | s.Class, Type: r.Type | s.Type,
		MinWords: max(r.MinWords, s.MinWords), MaxWords: min(r.MaxWords, s.MaxWords),
	}
	ok := (r.AnyClass || s.AnyClass || r.Class == s.Class) && (r.AnyType || s.AnyType || r.Type == s.Type)
	if !ok || out.MinWords > out.MaxWords {
		return OptionRange{}, false
	}
	return out, true
}

func (r OptionRange) String() string {
	class, typ, words := "*", "*", strconv.Itoa(int(r.MinWords))
	if !r.AnyClass {
		class = fmt.Sprintf("0x%04x", r.Class)
	}
	if !r.AnyType {
		typ = fmt.Sprintf("0x%02x", r.Type)
	}
	if r.MaxWords != r.MinWords {
		words += "-" + strconv.Itoa(int(r.MaxWords))
	}
	return class + "/" + typ + "/" + words + "w"
}

// MarshalText implements [encoding.TextMarshaler].
func (r OptionRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the form of String. The error wraps [ErrOptionRange].
func (r *OptionRange) UnmarshalText(b []byte) error {
	parts := strings.Split(string(b), "/")
	if len(parts) != 3 {
		return fmt.Errorf("%q is %w", b, ErrOptionRange)
	}
	out := OptionRange{AnyClass: parts[0] == "*", AnyType: parts[1] == "*"}
	var errs [4]error
	if !out.AnyClass {
		var v uint64
		v, errs[0] = strconv.ParseUint(strings.TrimPrefix(parts[0], "0x"), 16, 16)
		out.Class = uint16(v)
	}
	if !out.AnyType {
		var v uint64
		v, errs[1] = strconv.ParseUint(strings.TrimPrefix(parts[1], "0x"), 16, 8)
		out.Type = uint8(v)
	}
	words, unit := strings.CutSuffix(parts[2], "w")
	from, to, isRange := strings.Cut(words, "-")
	if !isRange {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 8)
	errs[2] = err
	last, err := strconv.ParseUint(to, 10, 8)
	errs[3] = err
	if errors.Join(errs[:]...) != nil || !unit {
		return fmt.Errorf("%q is %w", b, ErrOptionRange)
	}
	if first > last || last > MaxDataWords {
		return fmt.Errorf("%q is %w: an option has 0 to %d words of data", b, ErrOptionRange, MaxDataWords)
	}
	out.MinWords, out.MaxWords = uint8(first), uint8(last)
	*r = out
	return nil
}

func contains(ranges []OptionRange, t geneve.OptionType) bool {
	for _, r := range ranges {
		if r.Contains(t) {
			return true
		}
	}
	return false
}

// WordSet is a set of words of the option window, 0 to 63: bit i is word i. Its text is a list of words and ranges, "0,4-13", or "none".
type WordSet uint64

// WordRange returns the set of the words first to last.
func WordRange(first, last int) WordSet {
	if first > last {
		return 0
	}
	return WordSet(^uint64(0)>>(63-last)) &^ WordSet(uint64(1)<<first-1)
}

// Has reports whether word i is in the set.
func (s WordSet) Has(i int) bool { return i >= 0 && i < 64 && s>>i&1 == 1 }

// Last returns the largest word of the set, or -1.
func (s WordSet) Last() int { return bits.Len64(uint64(s)) - 1 }

func (s WordSet) String() string {
	if s == 0 {
		return "none"
	}
	var parts []string
	for i := 0; i < 64; i++ {
		if !s.Has(i) {
			continue
		}
		first := i
		for s.Has(i + 1) {
			i++
		}
		if i > first {
			parts = append(parts, fmt.Sprintf("%d-%d", first, i))
		} else {
			parts = append(parts, strconv.Itoa(i))
		}
	}
	return strings.Join(parts, ",")
}

// MarshalText implements [encoding.TextMarshaler].
func (s WordSet) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the form of String. The error wraps [ErrWordSet].
func (s *WordSet) UnmarshalText(b []byte) error {
	var out WordSet
	if string(b) == "none" {
		*s = 0
		return nil
	}
	for part := range strings.SplitSeq(string(b), ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 6)
		last, err2 := strconv.ParseUint(to, 10, 6)
		if err1 != nil || err2 != nil || first > last {
			return fmt.Errorf("%q is %w", b, ErrWordSet)
		}
		out |= WordRange(int(first), int(last))
	}
	*s = out
	return nil
}
