package manifest

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Decode fills what into points to from the whole document. Each field that cannot be filled stays as it was and is a problem of
// the document; Decode goes on with the next.
//
// A mapping decodes into a struct, or a map with string keys; a sequence into a slice; and a scalar into a string, bool, number,
// [time.Duration] or any [encoding.TextUnmarshaler]. Integers may be written in decimal, hexadecimal (0x), octal (0o) or binary (0b). A
// pointer is set if the value is given. Struct fields are named by their yaml tag, or else by their Go name with
// its first word in lower case; the tag option "required" makes a missing field a problem, and "-" hides a field. Embedded structs
// are taken as if their fields stood in the outer struct.
func (d *Document) Decode(into any) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		d.add(0, 0, "", fmt.Sprintf("cannot decode into %T, which is not a pointer", into))
		return
	}
	d.decode("", d.root, v.Elem())
}

func (d *Document) decode(path string, n *node, v reflect.Value) {
	if n.kind == kindNull {
		d.fail(n, path, "has no value")
		return
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		d.decode(path, n, p.Elem())
		v.Set(p)
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if d.want(path, n, kindScalar) {
			if err := u.UnmarshalText([]byte(n.text)); err != nil {
				d.fail(n, path, "%v", err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if d.want(path, n, kindMapping) {
			d.decodeStruct(path, n, v)
		}
	case reflect.Map:
		if d.want(path, n, kindMapping) {
			d.decodeMap(path, n, v)
		}
	case reflect.Slice:
		if d.want(path, n, kindSequence) {
			s := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
			for i, item := range n.items {
				d.decode(Index(path, i), item, s.Index(i))
			}
			v.Set(s)
		}
	default:
		if d.want(path, n, kindScalar) {
			d.decodeScalar(path, n, v)
		}
	}
}

func (d *Document) want(path string, n *node, k kind) bool {
	if n.kind == k {
		return true
	}
	d.fail(n, path, "want %v, have %v", k, n.kind)
	return false
}

func (d *Document) decodeMap(path string, n *node, v reflect.Value) {
	m := reflect.MakeMapWithSize(v.Type(), len(n.fields))
	for _, f := range n.fields {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.decode(Join(path, f.name), f.value, elem)
		m.SetMapIndex(reflect.ValueOf(f.name).Convert(v.Type().Key()), elem)
	}
	v.Set(m)
}

func (d *Document) decodeStruct(path string, n *node, v reflect.Value) {
	specs := fieldsOf(v.Type())
	for _, f := range n.fields {
		i := slices.IndexFunc(specs, func(s fieldSpec) bool { return s.name == f.name })
		if i < 0 {
			d.add(f.line, f.column, Join(path, f.name), "unknown field"+suggest(f.name, specs))
			continue
		}
		d.decode(Join(path, f.name), f.value, v.FieldByIndex(specs[i].index))
	}
	for _, s := range specs {
		has := slices.ContainsFunc(n.fields, func(f field) bool { return f.name == s.name })
		if s.required && !has {
			d.fail(n, Join(path, s.name), "missing")
		}
	}
}

type fieldSpec struct {
	name     string
	index    []int
	required bool
}

func fieldsOf(t reflect.Type) []fieldSpec {
	var specs []fieldSpec
	for i := range t.NumField() {
		f := t.Field(i)
		tag, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case tag == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && tag == "":
			for _, s := range fieldsOf(f.Type) {
				s.index = append([]int{i}, s.index...)
				specs = append(specs, s)
			}
			continue
		case tag == "":
			tag = lowerFirst(f.Name)
		}
		specs = append(specs, fieldSpec{name: tag, index: f.Index, required: opts == "required"})
	}
	return specs
}

// lowerFirst turns the Go names VNI, DeviceID and MACAddress into vni, deviceID and macAddress.
func lowerFirst(name string) string {
	r := []rune(name)
	for i := range r {
		if i > 0 && i+1 < len(r) && unicode.IsLower(r[i+1]) {
			break
		}
		if unicode.IsLower(r[i]) {
			break
		}
		r[i] = unicode.ToLower(r[i])
	}
	return string(r)
}

// suggest returns the field that looks most like name or, if none does, all that are possible.
func suggest(name string, specs []fieldSpec) string {
	names := make([]string, len(specs))
	best, nearest := "", 3
	for i, s := range specs {
		names[i] = s.name
		if len(name) > 2*len(s.name) {
			continue
		}
		far := distance(strings.ToLower(s.name), strings.ToLower(name))
		if far < nearest && far < len(s.name)-1 {
			best, nearest = s.name, far
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	slices.Sort(names)
	return "; known are " + strings.Join(names, ", ")
}

// distance is the Levenshtein distance of two names, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

func (d *Document) decodeScalar(path string, n *node, v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		t, err := time.ParseDuration(n.text)
		if err != nil {
			d.fail(n, path, "%q is not a duration such as 100ms or 2s", n.text)
			return
		}
		v.SetInt(int64(t))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.text)
	case reflect.Bool:
		switch {
		case n.quoted || n.text != "true" && n.text != "false":
			d.fail(n, path, "%q is neither true nor false", n.text)
		default:
			v.SetBool(n.text == "true")
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := v.Type().Bits()
		i, err := strconv.ParseInt(n.text, 0, bits)
		if err != nil || !n.isNumber() {
			d.fail(n, path, "%q is not a whole number from %d to %d", n.text, int64(-1)<<(bits-1), int64(1)<<(bits-1)-1)
			return
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		bits := v.Type().Bits()
		u, err := strconv.ParseUint(n.text, 0, bits)
		if err != nil || !n.isNumber() {
			d.fail(n, path, "%q is not a whole number from 0 to %d", n.text, ^uint64(0)>>(64-bits))
			return
		}
		v.SetUint(u)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(n.text, v.Type().Bits())
		if err != nil || n.quoted {
			d.fail(n, path, "%q is not a number", n.text)
			return
		}
		v.SetFloat(f)
	default:
		d.fail(n, path, "cannot decode into %v", v.Type())
	}
}

// isNumber excludes quoted numbers, and 010, which is eight to YAML 1.1 and ten to YAML 1.2.
func (n *node) isNumber() bool {
	digits := strings.TrimLeft(n.text, "+-")
	return !n.quoted && !(len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
}
