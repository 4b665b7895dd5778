package gnmi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	goyang "github.com/openconfig/goyang/pkg/yang"

	"github.com/keyway-nve/keyway/proto/yang"
)

// parseJSON returns the leaves of a JSON text (RFC 7951) that is the value of node e at a path. The error has every member that the model
// does not have.
func parseJSON(b []byte, e *goyang.Entry, at []*gpb.PathElem) ([]leaf, error) {
	if !json.Valid(b) {
		return nil, &PathError{Path: pathString(at), Err: fmt.Errorf("%w: not JSON", ErrValue)}
	}
	var p jsonParser
	p.node(b, e, at)
	return p.leaves, errors.Join(p.errs...)
}

type jsonParser struct {
	leaves []leaf
	errs   []error
}

func (p *jsonParser) fail(at []*gpb.PathElem, reason error, format string, args ...any) {
	if format != "" {
		reason = fmt.Errorf("%w: "+format, append([]any{reason}, args...)...)
	}
	p.errs = append(p.errs, &PathError{Path: pathString(at), Err: reason})
}

func (p *jsonParser) node(b []byte, e *goyang.Entry, at []*gpb.PathElem) {
	switch {
	case (e.IsLeaf() || e.IsLeafList()) && string(b) == "null":
		p.fail(at, ErrValue, "null is no value")
	case e.IsLeaf() || e.IsLeafList():
		p.leaves = append(p.leaves, leaf{
			path:  &gpb.Path{Elem: at},
			value: &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: b}},
		})
	case e.IsList() && at[len(at)-1].Key == nil:
		p.list(b, e, at)
	default:
		var members map[string]json.RawMessage
		if json.Unmarshal(b, &members) != nil || members == nil {
			p.fail(at, ErrValue, "want an object")
			return
		}
		p.object(members, e, at)
	}
}

func (p *jsonParser) object(members map[string]json.RawMessage, e *goyang.Entry, at []*gpb.PathElem) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		under := append(slices.Clone(at), &gpb.PathElem{Name: unqualified(name)})
		child, ok := e.Dir[unqualified(name)]
		if !ok {
			under[len(at)].Name = name
			p.fail(under, ErrUnknownPath, "")
			continue
		}
		p.node(members[name], child, under)
	}
}

// list reads the entries of a list, which is the last element of the path at. Its keys are among the members of each.
func (p *jsonParser) list(b []byte, e *goyang.Entry, at []*gpb.PathElem) {
	var entries []map[string]json.RawMessage
	if json.Unmarshal(b, &entries) != nil {
		p.fail(at, ErrValue, "want an array of objects")
		return
	}
	seen := map[string]bool{}
	for i, members := range entries {
		here := &gpb.PathElem{Name: e.Name, Key: map[string]string{}}
		for _, k := range strings.Fields(e.Key) {
			if v, ok := keyOf(members, k); ok {
				here.Key[k] = v
				continue
			}
			p.fail(at, ErrMissing, "key %s of entry %d", k, i)
			here = nil
			break
		}
		if here == nil {
			continue
		}
		under := append(slices.Clone(at[:len(at)-1]), here)
		if s := pathString(under); seen[s] {
			p.fail(under, ErrValue, "is there twice")
		} else {
			seen[s] = true
		}
		p.object(members, e, under)
	}
}

// keyOf returns the value of a key as gNMI paths have it.
func keyOf(members map[string]json.RawMessage, key string) (string, bool) {
	for name, raw := range members {
		if unqualified(name) != key {
			continue
		}
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return s, s != ""
		}
		var n json.Number
		if json.Unmarshal(raw, &n) == nil {
			return n.String(), true
		}
	}
	return "", false
}

// unqualified returns a name without our module before it (RFC 7951 §4). A name of another module stays what it is: unknown.
func unqualified(name string) string { return strings.TrimPrefix(name, yang.Module+":") }

// jsonOf returns a value as RFC 7951 has it, or what the model will not take. Nothing in the model has 64 bits, so no number becomes a
// string.
func jsonOf(v *gpb.TypedValue) any {
	switch v := v.GetValue().(type) {
	case *gpb.TypedValue_JsonIetfVal:
		return json.RawMessage(v.JsonIetfVal)
	case *gpb.TypedValue_StringVal:
		return v.StringVal
	case *gpb.TypedValue_UintVal:
		return v.UintVal
	case *gpb.TypedValue_IntVal:
		return v.IntVal
	case *gpb.TypedValue_BoolVal:
		return v.BoolVal
	case *gpb.TypedValue_LeaflistVal:
		out := []any{}
		for _, e := range v.LeaflistVal.GetElement() {
			out = append(out, jsonOf(e))
		}
		return out
	}
	return nil
}

// jsonTree assembles JSON from leaves. qualify puts the module's name before the members of the outermost object, as RFC 7951 §4 has it.
func jsonTree(leaves []leaf, depth int, qualify bool) any {
	if len(leaves) > 0 && len(leaves[0].path.Elem) == depth {
		return jsonOf(leaves[0].value)
	}
	out := map[string]any{}
	for len(leaves) > 0 {
		first := leaves[0].path.Elem[depth]
		n := 1
		for n < len(leaves) && compareElems(leaves[n].path.Elem[depth], first) == 0 {
			n++
		}
		name := first.Name
		if qualify {
			name = yang.Module + ":" + name
		}
		sub := jsonTree(leaves[:n], depth+1, false)
		if len(first.Key) == 0 {
			out[name] = sub
		} else {
			entries, _ := out[name].([]any)
			out[name] = append(entries, sub)
		}
		leaves = leaves[n:]
	}
	return out
}
