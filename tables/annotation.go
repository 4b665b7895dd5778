package tables

import (
	"iter"
	"strconv"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
)

// Annotation is one annotation of a P4 object, as P4Info carries it.
type Annotation struct {
	// Name is the annotation's name without the at sign.
	Name string
	// Text is the body between the parentheses as the program wrote it, but a
	// body that is one string literal is unquoted.
	Text string
	// Args is the body's comma-separated arguments: blanks outside quotes are
	// dropped (p4c puts them between tokens), quotes are removed. A key of a
	// structured annotation becomes "key=value".
	Args []string
}

// Annotations are the annotations of one P4 object in program order.
type Annotations []Annotation

// Annotation returns the arguments of the first annotation of that name, and
// whether there is one.
func (as Annotations) Annotation(name string) (args []string, ok bool) {
	for a := range as.All(name) {
		return a.Args, true
	}
	return nil, false
}

// All yields every annotation of that name; some, such as @refers_to, repeat.
func (as Annotations) All(name string) iter.Seq[Annotation] {
	return func(yield func(Annotation) bool) {
		for _, a := range as {
			if a.Name == name && !yield(a) {
				return
			}
		}
	}
}

func newAnnotations(texts []string, structured []*p4configv1.StructuredAnnotation) Annotations {
	if len(texts)+len(structured) == 0 {
		return nil
	}
	as := make(Annotations, 0, len(texts)+len(structured))
	for _, text := range texts {
		as = append(as, parseAnnotation(text))
	}
	for _, s := range structured {
		a := Annotation{Name: s.GetName()}
		for _, e := range s.GetExpressionList().GetExpressions() {
			a.Args = append(a.Args, expression(e))
		}
		for _, kv := range s.GetKvPairList().GetKvPairs() {
			a.Args = append(a.Args, kv.GetKey()+"="+expression(kv.GetValue()))
		}
		a.Text = strings.Join(a.Args, ", ")
		as = append(as, a)
	}
	return as
}

func expression(e *p4configv1.Expression) string {
	switch v := e.GetValue().(type) {
	case *p4configv1.Expression_StringValue:
		return v.StringValue
	case *p4configv1.Expression_Int64Value:
		return strconv.FormatInt(v.Int64Value, 10)
	case *p4configv1.Expression_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	}
	return ""
}

// parseAnnotation reads an unstructured annotation, "@name" or "@name(body)".
// P4 gives the body no grammar, so this never fails: what it cannot split it
// leaves whole.
func parseAnnotation(text string) Annotation {
	name, body, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(text), "@"), "(")
	a := Annotation{Name: strings.TrimSpace(name)}
	if !ok {
		return a
	}
	body = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(body), ")"))
	a.Args = splitArgs(body)
	a.Text = body
	if len(a.Args) == 1 && strings.HasPrefix(body, `"`) {
		a.Text = a.Args[0]
	}
	return a
}

// splitArgs splits at the commas that stand outside quotes and brackets.
func splitArgs(body string) []string {
	var (
		args  []string
		arg   strings.Builder
		quote bool
		depth int
	)
	flush := func() {
		args = append(args, arg.String())
		arg.Reset()
	}
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case quote && c == '\\' && i+1 < len(body):
			i++
			arg.WriteByte(unescape(body[i]))
		case c == '"':
			quote = !quote
		case quote:
			arg.WriteByte(c)
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		case c == ',' && depth == 0:
			flush()
		default:
			switch c {
			case '(', '[', '{':
				depth++
			case ')', ']', '}':
				depth--
			}
			arg.WriteByte(c)
		}
	}
	if arg.Len() > 0 || len(args) > 0 || body != "" {
		flush()
	}
	return args
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	}
	return c
}
