// Package manifest reads the YAML files that people write for Keyway, and tells them everything that is wrong with a file at once.
//
// A [Document] is parsed once. Decode fills Go structs from it strictly: an unknown field, a field given twice, a value of
// the wrong type or out of range, and a required field that is missing are each a [Problem] with line, column and path. Whoever
// validates the decoded value afterwards adds reasons with [Document.Errorf], by path, and they get the position of the
// value that the path names. [Document.Err] returns the lot, in the order of the file.
//
// Manifests use a small part of YAML: one document of mappings, sequences and plain or quoted scalars. Anchors, aliases, merge
// keys and tags are refused, so that what stands at a line is what is meant there, and a small file cannot expand into a
// large one.
package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// MaxSize is the largest manifest in bytes that Parse accepts.
const MaxSize = 16 << 20

// Problem is one thing that is wrong with a manifest.
type Problem struct {
	File string
	// Line and Column count from 1. Both are 0 if the problem is with the file as a whole.
	Line, Column int
	// Path names the value, such as virtualNetworks[1].vni. It is empty for the top of the document.
	Path   string
	Reason string
}

// Error returns the problem as file:line:column: path: reason, which editors and CI systems can jump to.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path)
		b.WriteString(": ")
	}
	b.WriteString(p.Reason)
	return b.String()
}

// Error is every problem of one manifest, ordered by position.
type Error struct {
	Problems []Problem
}

// Error returns one problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems, each a [Problem], for errors.As.
func (e *Error) Unwrap() []error {
	errs := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		errs[i] = p
	}
	return errs
}

// Document is one parsed manifest and the problems found in it so far. It is not safe for concurrent use.
type Document struct {
	file     string
	root     *node
	nodes    map[string]*node
	problems []Problem
	failed   map[string]bool
}

// Load reads and parses the file. The error is that of the operating system, or an [*Error].
func Load(file string) (*Document, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return Parse(file, src)
}

// Parse parses src, which messages call file. A file that is not YAML, or not the part of it that manifests use, gives an [*Error].
func Parse(file string, src []byte) (*Document, error) {
	d := &Document{file: file, nodes: map[string]*node{}, failed: map[string]bool{}}
	d.root = d.parse(src)
	if err := d.Err(); err != nil {
		return nil, err
	}
	d.index("", d.root)
	return d, nil
}

func (d *Document) index(path string, n *node) {
	d.nodes[path] = n
	for i, item := range n.items {
		d.index(fmt.Sprintf("%s[%d]", path, i), item)
	}
	for _, f := range n.fields {
		if child := Join(path, f.name); d.nodes[child] == nil {
			d.index(child, f.value)
		}
	}
}

// Join returns the path of a field of the mapping at path.
func Join(path, field string) string {
	if path == "" {
		return field
	}
	return path + "." + field
}

// Index returns the path of the item i, counted from 0, of the sequence at path.
func Index(path string, i int) string {
	return fmt.Sprintf("%s[%d]", path, i)
}

// Has reports whether the document gives a value at path.
func (d *Document) Has(path string) bool {
	return d.nodes[path] != nil
}

// Position returns line and column of the value at path or, if there is none, of the nearest value that would hold it.
func (d *Document) Position(path string) (line, column int) {
	for {
		if n := d.nodes[path]; n != nil {
			return n.line, n.column
		}
		if path == "" {
			return 0, 0
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// Errorf adds a reason why the value at path is wrong. A value that Decode could not read, or that is missing, keeps that one
// reason: what a validator has to say about its zero value would mislead.
func (d *Document) Errorf(path, format string, args ...any) {
	if d.failed[path] {
		return
	}
	line, column := d.Position(path)
	d.add(line, column, path, fmt.Sprintf(format, args...))
}

func (d *Document) add(line, column int, path, reason string) {
	d.problems = append(d.problems, Problem{File: d.file, Line: line, Column: column, Path: path, Reason: reason})
}

// fail adds a problem found by the decoder, which mutes later reasons for the same path.
func (d *Document) fail(n *node, path, format string, args ...any) {
	d.add(n.line, n.column, path, fmt.Sprintf(format, args...))
	d.failed[path] = true
}

// Err returns an [*Error] with every problem found so far, or nil.
func (d *Document) Err() error {
	if len(d.problems) == 0 {
		return nil
	}
	ps := slices.Clone(d.problems)
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Error{Problems: slices.Compact(ps)}
}

// Problems returns the problems in err, whether it is one [Problem], an [*Error] or wraps either.
func Problems(err error) []Problem {
	var e *Error
	if errors.As(err, &e) {
		return e.Problems
	}
	var p Problem
	if errors.As(err, &p) {
		return []Problem{p}
	}
	return nil
}
