package manifest

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxDepth bounds the nesting of a manifest, because the YAML parser recurses and Go cannot recover from a stack that is full.
const maxDepth = 100

type kind uint8

const (
	kindNull kind = iota
	kindScalar
	kindMapping
	kindSequence
)

func (k kind) String() string {
	return [...]string{"nothing", "a single value", "a mapping", "a list"}[k]
}

// node is a value of the document: what is left of the YAML syntax tree when its spelling is gone.
type node struct {
	kind         kind
	line, column int
	// text is a scalar without its quotes.
	text   string
	quoted bool
	fields []field
	items  []*node
}

type field struct {
	name         string
	line, column int
	value        *node
}

func (d *Document) parse(src []byte) *node {
	if len(src) > MaxSize {
		d.add(0, 0, "", fmt.Sprintf("%d bytes, more than the %d that a manifest may have", len(src), MaxSize))
		return nil
	}
	tokens := lexer.Tokenize(string(src))
	if tk := tooDeep(tokens); tk != nil {
		d.add(tk.Position.Line, tk.Position.Column, "", fmt.Sprintf("nested more than %d deep", maxDepth))
		return nil
	}
	file, err := parseTokens(tokens)
	if err != nil {
		d.syntax(err)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			tk := doc.Body.GetToken()
			d.add(tk.Position.Line, tk.Position.Column, "", "a manifest is one YAML document, and this is a second")
			return nil
		}
		body = doc.Body
	}
	if body == nil {
		d.add(1, 1, "", "the manifest is empty")
		return nil
	}
	return d.convert("", body)
}

// parseTokens turns a panic of the YAML parser into an error: a file that somebody sends us must not end the process.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not YAML: %v", r)
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

func (d *Document) syntax(err error) {
	var ye yaml.Error
	if errors.As(err, &ye) && ye.GetToken() != nil {
		pos := ye.GetToken().Position
		d.add(pos.Line, pos.Column, "", ye.GetMessage())
		return
	}
	d.add(0, 0, "", err.Error())
}

// tooDeep returns the token at which the document is nested too deep, or nil. Flow collections nest by brackets; block
// collections by indentation or, on one line, by repeated indicators.
func tooDeep(tokens token.Tokens) *token.Token {
	var open, inline, line int
	var indents []int
	for _, tk := range tokens {
		if tk.Position.Line != line {
			line, inline = tk.Position.Line, 0
			for len(indents) > 0 && indents[len(indents)-1] >= tk.Position.Column {
				indents = indents[:len(indents)-1]
			}
			indents = append(indents, tk.Position.Column)
		}
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			open++
		case token.MappingEndType, token.SequenceEndType:
			open = max(open-1, 0)
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			inline++
		}
		if open+inline+len(indents) > maxDepth {
			return tk
		}
	}
	return nil
}

// convert turns a syntax node into ours. What manifests do not use becomes a problem and a null.
func (d *Document) convert(path string, n ast.Node) *node {
	out := &node{kind: kindNull, line: 1, column: 1}
	if tk := n.GetToken(); tk != nil {
		out.line, out.column = tk.Position.Line, tk.Position.Column
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		d.mapping(path, out, n.Values)
		if n.IsFlowStyle {
			out.line, out.column = n.Start.Position.Line, n.Start.Position.Column
		}
	case *ast.MappingValueNode:
		d.mapping(path, out, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		out.kind = kindSequence
		for i, v := range n.Values {
			out.items = append(out.items, d.convert(Index(path, i), v))
		}
	case *ast.LiteralNode:
		out.kind, out.quoted, out.text = kindScalar, true, n.Value.Value
	case *ast.StringNode:
		out.kind, out.text = kindScalar, n.Value
		out.quoted = n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = kindScalar, n.GetToken().Value
	case *ast.NullNode:
	case *ast.AnchorNode, *ast.AliasNode:
		d.add(out.line, out.column, path, "anchors and aliases are not used in manifests")
	case *ast.TagNode:
		d.add(out.line, out.column, path, "tags are not used in manifests")
	default:
		d.add(out.line, out.column, path, fmt.Sprintf("%s is not used in manifests", n.Type().YAMLName()))
	}
	return out
}

func (d *Document) mapping(path string, out *node, values []*ast.MappingValueNode) {
	out.kind = kindMapping
	first := map[string]int{}
	for i, v := range values {
		tk := v.Key.GetToken()
		f := field{name: tk.Value, line: tk.Position.Line, column: tk.Position.Column}
		if i == 0 {
			out.line, out.column = f.line, f.column
		}
		switch v.Key.(type) {
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		default:
			d.add(f.line, f.column, path, "a key is a plain or quoted word; complex keys and merge keys are not used in manifests")
			continue
		}
		where := Join(path, f.name)
		if line, ok := first[f.name]; ok {
			d.add(f.line, f.column, where, fmt.Sprintf("given twice, first in line %d", line))
			continue
		}
		first[f.name] = f.line
		f.value = d.convert(where, v.Value)
		if f.value.kind == kindNull {
			f.value.line, f.value.column = f.line, f.column
		}
		out.fields = append(out.fields, f)
	}
}
