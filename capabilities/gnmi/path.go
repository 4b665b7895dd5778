package gnmi

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	goyang "github.com/openconfig/goyang/pkg/yang"
)

// Origin is that of our tree. gNMI says "openconfig" for a path that names none, so that is taken for the same.
const Origin = "keyway"

// maxElements is more than any path of the model has, even with wildcards for nothing.
const maxElements = 64

// resolve returns the paths of the model that a requested one stands for: absolute, without a wildcard for a name, and with every key, whose
// value may be "*". None of them lies under another. The error is a [PathError].
func resolve(prefix, path *gpb.Path) ([]*gpb.Path, error) {
	elems := slices.Concat(prefix.GetElem(), path.GetElem())
	malformed := func(format string, args ...any) error {
		return &PathError{Path: pathString(elems), Err: fmt.Errorf("%w: %s", ErrMalformedPath, fmt.Sprintf(format, args...))}
	}
	origin := prefix.GetOrigin()
	switch {
	// gnmi_cli sends both forms. The old one alone must not be taken for the root.
	case old(prefix) || old(path):
		return nil, malformed("element is deprecated, want elem")
	case path.GetTarget() != "":
		return nil, malformed("the target belongs into the prefix")
	case origin != "" && path.GetOrigin() != "":
		return nil, malformed("prefix and path both have an origin")
	case len(elems) > maxElements:
		return nil, malformed("%d elements", len(elems))
	}
	if origin += path.GetOrigin(); origin != "" && origin != Origin && origin != "openconfig" {
		return nil, malformed("origin %q is not served, want %s", origin, Origin)
	}
	r := resolver{found: map[string]*gpb.Path{}, seen: map[string]bool{}}
	r.walk(schemaRoot(), nil, elems)
	if len(r.found) > 0 {
		return r.paths(), nil
	}
	wild := slices.ContainsFunc(elems, func(e *gpb.PathElem) bool { return e.GetName() == "*" || e.GetName() == "..." })
	if r.err == nil || wild && errors.Is(r.err, ErrUnknownPath) { // which of the ways was meant is not known
		r.err = &PathError{Path: pathString(elems), Err: ErrUnknownPath}
	}
	return nil, r.err
}

// old reports whether a path is only in the form of gNMI 0.3.
func old(p *gpb.Path) bool {
	return len(p.GetElem()) == 0 && len(p.GetElement()) > 0
}

type resolver struct {
	found map[string]*gpb.Path
	seen  map[string]bool // what has been walked, by the path so far and the number of elements left
	err   *PathError
}

// walk follows the elements that are left from node e, which is at a path.
func (r *resolver) walk(e *goyang.Entry, at, left []*gpb.PathElem) {
	step := fmt.Sprint(pathString(at), " ", len(left))
	if r.seen[step] {
		return
	}
	r.seen[step] = true
	if len(left) == 0 || len(left) == 1 && left[0].GetName() == "..." {
		r.found[pathString(at)] = &gpb.Path{Elem: at}
		return
	}
	children := slices.Sorted(maps.Keys(e.Dir))
	switch name := unqualified(left[0].GetName()); name {
	case "":
		r.fail(append(slices.Clone(at), left[0]), ErrMalformedPath, "an element has no name")
	case "...":
		if len(left[0].GetKey()) > 0 {
			r.fail(append(slices.Clone(at), left[0]), ErrMalformedPath, "... has no keys")
			return
		}
		r.walk(e, at, left[1:])
		for _, c := range children {
			r.walk(e.Dir[c], append(slices.Clone(at), element(e.Dir[c], nil)), left)
		}
	case "*":
		for _, c := range children {
			if takes(e.Dir[c], left[0].GetKey()) {
				r.walk(e.Dir[c], append(slices.Clone(at), element(e.Dir[c], left[0].GetKey())), left[1:])
			}
		}
	default:
		child, ok := e.Dir[name]
		if !ok {
			r.fail(append(slices.Clone(at), left[0]), ErrUnknownPath, "")
			return
		}
		if !takes(child, left[0].GetKey()) {
			r.fail(append(slices.Clone(at), left[0]), ErrMalformedPath, "%s", keysOf(child))
			return
		}
		r.walk(child, append(slices.Clone(at), element(child, left[0].GetKey())), left[1:])
	}
}

// fail keeps the first reason why nothing was found.
func (r *resolver) fail(at []*gpb.PathElem, reason error, format string, args ...any) {
	if r.err != nil {
		return
	}
	if format != "" {
		reason = fmt.Errorf("%w: %s", reason, fmt.Sprintf(format, args...))
	}
	r.err = &PathError{Path: pathString(at), Err: reason}
}

// paths returns what was found, without what lies under something else that was.
func (r *resolver) paths() []*gpb.Path {
	found := slices.SortedFunc(maps.Values(r.found), func(a, b *gpb.Path) int { return comparePaths(a.Elem, b.Elem) })
	var out []*gpb.Path
	for _, p := range found {
		if len(out) > 0 && under(out[len(out)-1].Elem, p.Elem) {
			continue
		}
		out = append(out, p)
	}
	return out
}

// under reports whether path b is a or below it.
func under(a, b []*gpb.PathElem) bool { return len(b) >= len(a) && comparePaths(a, b[:len(a)]) == 0 }

// element is the path element of a node of the model. Keys that are not given are all.
func element(e *goyang.Entry, given map[string]string) *gpb.PathElem {
	out := &gpb.PathElem{Name: e.Name}
	for _, k := range strings.Fields(e.Key) {
		if out.Key == nil {
			out.Key = map[string]string{}
		}
		out.Key[k] = "*"
		if v, ok := given[k]; ok {
			out.Key[k] = v
		}
	}
	return out
}

// takes reports whether a node of the model has the keys.
func takes(e *goyang.Entry, keys map[string]string) bool {
	for k, v := range keys {
		if v == "" || !slices.Contains(strings.Fields(e.Key), k) {
			return false
		}
	}
	return true
}

func keysOf(e *goyang.Entry) string {
	if e.Key == "" {
		return e.Name + " has no keys"
	}
	return fmt.Sprintf("%s has the key %s, whose value is not empty", e.Name, e.Key)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
