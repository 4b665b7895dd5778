package gnmi

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/goyang/pkg/yang"
	"github.com/openconfig/ygot/ytypes"

	"github.com/keyway-nve/keyway/proto/yang/nvecaps"
)

// Reasons of a [PathError].
var (
	// ErrMalformedPath is of a path that no model could have.
	ErrMalformedPath = errors.New("malformed path")
	// ErrUnknownPath is of a path that the model does not have.
	ErrUnknownPath = errors.New("no such node in the model")
	// ErrMissing is of a leaf that has to be there.
	ErrMissing = errors.New("is missing")
	// ErrValue is of a value that its node cannot have.
	ErrValue = errors.New("cannot be read")
)

// PathError is what is wrong with one path or with what stands there. Err wraps one of the reasons above.
type PathError struct {
	Path string
	Err  error
}

func (e *PathError) Error() string { return e.Path + ": " + e.Err.Error() }

func (e *PathError) Unwrap() error { return e.Err }

// leaf is one value of the tree.
type leaf struct {
	path  *gpb.Path
	value *gpb.TypedValue
}

// leavesIn returns the leaves that the updates of a notification have. The error is a [PathError] for each that the model does not have.
func leavesIn(n *gpb.Notification) ([]leaf, error) {
	var out []leaf
	var errs []error
	for _, u := range n.GetUpdate() {
		leaves, err := leavesAt(slices.Concat(n.GetPrefix().GetElem(), u.GetPath().GetElem()), u.GetVal())
		out, errs = append(out, leaves...), append(errs, err)
	}
	return out, errors.Join(errs...)
}

func leavesAt(path []*gpb.PathElem, v *gpb.TypedValue) ([]leaf, error) {
	at := make([]*gpb.PathElem, len(path))
	e := schemaRoot()
	for i, elem := range path {
		name := unqualified(elem.GetName())
		at[i] = &gpb.PathElem{Name: name, Key: elem.GetKey()}
		child, ok := e.Dir[name]
		if !ok {
			return nil, &PathError{Path: pathString(path[:i+1]), Err: ErrUnknownPath}
		}
		if e = child; len(elem.GetKey()) != len(strings.Fields(e.Key)) && i < len(path)-1 || !takes(e, elem.GetKey()) {
			return nil, &PathError{Path: pathString(path[:i+1]), Err: fmt.Errorf("%w: %s", ErrMalformedPath, keysOf(e))}
		}
	}
	switch v := v.GetValue().(type) {
	case *gpb.TypedValue_JsonIetfVal:
		return parseJSON(v.JsonIetfVal, e, at)
	case *gpb.TypedValue_JsonVal:
		return parseJSON(v.JsonVal, e, at)
	}
	if !e.IsLeaf() && !e.IsLeafList() || jsonOf(v) == nil {
		return nil, &PathError{Path: pathString(at), Err: fmt.Errorf("%w: has a value of %T", ErrValue, v.GetValue())}
	}
	return []leaf{{&gpb.Path{Elem: at}, v}}, nil
}

// plant returns the tree that has the leaves, which are leaves of the model. The error has all values that the model does not take.
func plant(leaves []leaf) (*nvecaps.NveCapabilities, error) {
	sortLeaves(leaves)
	text, err := json.Marshal(jsonTree(leaves, 0, true))
	if err != nil {
		return nil, &PathError{Path: "/", Err: fmt.Errorf("%w: %w", ErrValue, err)}
	}
	tree := &nvecaps.Root{NveCapabilities: &nvecaps.NveCapabilities{}}
	if err = nvecaps.Unmarshal(text, tree); err == nil {
		return tree.NveCapabilities, nil
	}
	// That error has no path. One by one takes twice as long, and tells.
	tree = &nvecaps.Root{NveCapabilities: &nvecaps.NveCapabilities{}}
	var errs []error
	for _, l := range leaves {
		err := ytypes.SetNode(schemaRoot(), tree, l.path, l.value, &ytypes.InitMissingElements{})
		if err == nil {
			err = keyed(l)
		}
		if err != nil {
			errs = append(errs, &PathError{Path: pathString(l.path.Elem), Err: fmt.Errorf("%w: %w", ErrValue, err)})
		}
	}
	if len(errs) == 0 {
		errs = append(errs, &PathError{Path: "/", Err: fmt.Errorf("%w: %w", ErrValue, err)})
	}
	return nil, errors.Join(errs...)
}

// keyed returns an error for a leaf that repeats a key of its list entry and has another value.
func keyed(l leaf) error {
	elems := l.path.Elem
	name := elems[len(elems)-1].Name
	for _, e := range elems[max(0, len(elems)-3):] { // .../entry/leaf or .../entry/state/leaf
		key, ok := e.Key[name]
		if !ok {
			continue
		}
		text, err := json.Marshal(jsonOf(l.value))
		if value := strings.Trim(string(text), `"`); err != nil || value != key {
			return fmt.Errorf("%s is not the key, %s", value, key)
		}
	}
	return nil
}

// schemaRoot is the node above the model's.
func schemaRoot() *yang.Entry { return nvecaps.SchemaTree["Root"] }

// pathString writes a path as gNMI users do, "/a/b[key=value]/c".
func pathString(elems []*gpb.PathElem) string {
	if len(elems) == 0 {
		return "/"
	}
	var b strings.Builder
	for _, e := range elems {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(e.GetName(), "/", `\/`))
		for _, k := range sortedKeys(e.GetKey()) {
			b.WriteString("[" + k + "=" + strings.ReplaceAll(e.Key[k], "]", `\]`) + "]")
		}
	}
	return b.String()
}

// sortLeaves puts leaves into the order of their paths, keys that are numbers by their value.
func sortLeaves(leaves []leaf) {
	slices.SortFunc(leaves, func(a, b leaf) int { return comparePaths(a.path.Elem, b.path.Elem) })
}

func comparePaths(a, b []*gpb.PathElem) int { return slices.CompareFunc(a, b, compareElems) }

func compareElems(a, b *gpb.PathElem) int {
	if c := cmp.Compare(a.Name, b.Name); c != 0 || len(a.Key) == 0 {
		return c
	}
	if len(a.Key) == 1 { // as all lists of our model have it
		for k, v := range a.Key {
			return compareKeys(v, b.Key[k])
		}
	}
	for _, k := range sortedKeys(a.Key) {
		if c := compareKeys(a.Key[k], b.Key[k]); c != 0 {
			return c
		}
	}
	return 0
}

func compareKeys(a, b string) int {
	if len(a) != len(b) && isNumber(a) && isNumber(b) { // without leading zeros, the longer is the larger
		return cmp.Compare(len(a), len(b))
	}
	return cmp.Compare(a, b)
}

func isNumber(s string) bool {
	return strings.Trim(s, "0123456789") == "" && s != "" && s[0] != '0' || s == "0"
}
