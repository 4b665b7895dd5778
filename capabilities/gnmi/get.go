package gnmi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Get implements the RPC: for each path one notification, or one for each target if the target is "*". In JSON, what stands at the path is
// one value; in PROTO, each leaf is.
func (s *Server) Get(_ context.Context, req *gpb.GetRequest) (*gpb.GetResponse, error) {
	s.o.Log.Debug("gnmi", "rpc", "Get", "target", req.GetPrefix().GetTarget(), "paths", len(req.GetPath()))
	if err := checkEncoding(req.GetEncoding()); err != nil {
		return nil, err
	}
	if err := checkModels(req.GetUseModels()); err != nil {
		return nil, err
	}
	if len(req.GetPath()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "the request has no path")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	target, err := s.target(req.GetPrefix())
	if err != nil {
		return nil, err
	}
	out := &gpb.GetResponse{}
	for _, p := range req.GetPath() {
		resolved, err := resolve(req.GetPrefix(), p)
		if err != nil {
			return nil, pathStatus(err)
		}
		if req.GetType() == gpb.GetRequest_CONFIG {
			return nil, status.Errorf(codes.NotFound, "%s: is state, and has no configuration", pathString(resolved[0].Elem))
		}
		ns, err := s.answer(req, target, resolved)
		if err != nil {
			return nil, err
		}
		if len(ns) == 0 {
			return nil, status.Errorf(codes.NotFound, "%s: the device says nothing of it", pathString(resolved[0].Elem))
		}
		out.Notification = append(out.Notification, ns...)
	}
	return out, nil
}

// answer returns a notification for each target that has something at the paths, which one requested path stands for.
func (s *Server) answer(req *gpb.GetRequest, target string, paths []*gpb.Path) ([]*gpb.Notification, error) {
	var order []string
	leaves := map[string][]leaf{}
	for _, p := range paths {
		for _, n := range s.find(target, p) {
			name := n.GetPrefix().GetTarget()
			if leaves[name] == nil {
				order = append(order, name)
			}
			leaves[name] = append(leaves[name], leafOf(n))
		}
	}
	var out []*gpb.Notification
	for _, name := range order {
		n := &gpb.Notification{Timestamp: time.Now().UnixNano(), Prefix: prefixFor(req.GetPrefix(), name)}
		sortLeaves(leaves[name])
		for _, p := range paths {
			updates, err := updatesAt(p.Elem, leaves[name], req.GetEncoding())
			if err != nil {
				return nil, err
			}
			n.Update = append(n.Update, updates...)
		}
		out = append(out, n)
	}
	return out, nil
}

// updatesAt returns what stands at a path: of sorted leaves, those at the path or below it, in one value for each node that the path
// matches.
func updatesAt(at []*gpb.PathElem, leaves []leaf, e gpb.Encoding) ([]*gpb.Update, error) {
	var out []*gpb.Update
	for len(leaves) > 0 {
		here := leaves[0].path.Elem
		if !matches(at, here) {
			leaves = leaves[1:]
			continue
		}
		here = here[:len(at)]
		n := 1
		for n < len(leaves) && under(here, leaves[n].path.Elem) {
			n++
		}
		if e == gpb.Encoding_PROTO {
			for _, l := range leaves[:n] {
				out = append(out, &gpb.Update{Path: l.path, Val: l.value})
			}
		} else {
			v, err := inJSON(jsonTree(leaves[:n], len(at), e == gpb.Encoding_JSON_IETF), e)
			if err != nil {
				return nil, err
			}
			out = append(out, &gpb.Update{Path: &gpb.Path{Elem: here}, Val: v})
		}
		leaves = leaves[n:]
	}
	return out, nil
}

// matches reports whether a path of the tree is at a pattern that resolve has returned, or below it.
func matches(pattern, path []*gpb.PathElem) bool {
	if len(path) < len(pattern) {
		return false
	}
	for i, e := range pattern {
		if e.Name != path[i].Name {
			return false
		}
		for k, v := range e.Key {
			if v != "*" && v != path[i].Key[k] {
				return false
			}
		}
	}
	return true
}

// encoded returns a leaf's value as a client wants it.
func encoded(v *gpb.TypedValue, e gpb.Encoding) (*gpb.TypedValue, error) {
	if e == gpb.Encoding_PROTO {
		return v, nil
	}
	return inJSON(jsonOf(v), e)
}

func inJSON(v any, e gpb.Encoding) (*gpb.TypedValue, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("gnmi: %w", err)
	}
	if e == gpb.Encoding_JSON {
		return &gpb.TypedValue{Value: &gpb.TypedValue_JsonVal{JsonVal: b}}, nil
	}
	return &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: b}}, nil
}

// prefixFor is the prefix of an answer to a request with a prefix: paths in it are absolute, and it names the target if the request does
// (gNMI specification §2.2.2.1).
func prefixFor(requested *gpb.Path, target string) *gpb.Path {
	if requested.GetTarget() == "" {
		target = ""
	}
	if target == "" && requested.GetOrigin() == "" {
		return nil
	}
	return &gpb.Path{Origin: requested.GetOrigin(), Target: target}
}

// Set implements the RPC, and refuses: a capability is what a device is, and none of its leaves can be written. That is another answer
// than that there is no such leaf (gNMI specification §3.4.7).
func (s *Server) Set(_ context.Context, req *gpb.SetRequest) (*gpb.SetResponse, error) {
	s.o.Log.Debug("gnmi", "rpc", "Set", "target", req.GetPrefix().GetTarget())
	if _, err := s.target(req.GetPrefix()); err != nil {
		return nil, err
	}
	paths := slices.Clone(req.GetDelete())
	for _, u := range slices.Concat(req.GetReplace(), req.GetUpdate(), req.GetUnionReplace()) {
		paths = append(paths, u.GetPath())
	}
	if len(paths) == 0 {
		return nil, status.Error(codes.InvalidArgument, "the request has no path")
	}
	var readOnly []string
	for _, p := range paths {
		resolved, err := resolve(req.GetPrefix(), p)
		if errors.Is(err, ErrUnknownPath) {
			return nil, status.Error(codes.NotFound, err.Error())
		}
		if err != nil {
			return nil, pathStatus(err)
		}
		readOnly = append(readOnly, pathString(resolved[0].Elem))
	}
	return nil, status.Errorf(codes.PermissionDenied, "%s: is state of the device, and cannot be written", strings.Join(readOnly, ", "))
}
