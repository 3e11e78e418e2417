package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/microservicehub/mshub/internal/rpc"
)

// Expr is a parsed filter: And, Or, Not or Compare. nil matches every row.
type Expr interface{ expr() }

// And matches if all parts do.
type And []Expr

// Or matches if one part does.
type Or []Expr

// Not matches if its part does not.
type Not struct{ Expr Expr }

// Compare is `Field Op Value`.
type Compare struct {
	Field string
	// Op is one of = != < <= > >= and `:`.
	Op    string
	Value Value
	// At is the position of the field in the text, in characters from 1.
	At int
}

// Value is a literal as it was written.
type Value struct {
	Text string
	// Quoted tells "null" from null.
	Quoted bool
	// At is its position, in characters from 1.
	At int
}

// Null reports whether the literal is null.
func (v Value) Null() bool { return !v.Quoted && v.Text == "null" }

func (And) expr()     {}
func (Or) expr()      {}
func (Not) expr()     {}
func (Compare) expr() {}

// Bounds of a filter, so that nobody can make the parser or the database recurse without end.
const (
	maxDepth       = 32
	maxComparisons = 200
	// MaxLength is the most bytes that Parse takes.
	MaxLength = 4000
)

// Parse reads a filter. An empty text gives nil, which matches everything.
func Parse(text string) (Expr, error) {
	if len(text) > MaxLength {
		return nil, rpc.Invalid("filter", "is %d bytes long; at most %d are allowed", len(text), MaxLength)
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil, rpc.Invalid("filter", "is not valid text: UTF-8 without zero bytes is expected")
	}
	p := &parser{text: text}
	p.space()
	if p.end() {
		return nil, nil
	}
	e, err := p.and(0)
	if err != nil {
		return nil, err
	}
	if p.space(); !p.end() {
		return nil, p.fail(p.pos, "expected AND, OR or the end, found %s", p.found())
	}
	return e, nil
}

type parser struct {
	text        string
	pos         int // in bytes
	comparisons int
}

// and = or { "AND" or }
func (p *parser) and(depth int) (Expr, error) {
	return p.chain(depth, "AND", p.or, func(parts []Expr) Expr { return And(parts) })
}

// or = term { "OR" term }
func (p *parser) or(depth int) (Expr, error) {
	return p.chain(depth, "OR", p.term, func(parts []Expr) Expr { return Or(parts) })
}

func (p *parser) chain(depth int, word string, part func(int) (Expr, error), join func([]Expr) Expr) (Expr, error) {
	var parts []Expr
	for {
		e, err := part(depth)
		if err != nil {
			return nil, err
		}
		parts = append(parts, e)
		if p.space(); !p.keyword(word) {
			break
		}
	}
	if len(parts) == 1 {
		return parts[0], nil
	}
	return join(parts), nil
}

// term = [ "NOT" | "-" ] ( "(" and ")" | comparison )
func (p *parser) term(depth int) (Expr, error) {
	p.space()
	if depth > maxDepth {
		return nil, p.fail(p.pos, "is nested too deeply; at most %d levels are allowed", maxDepth)
	}
	if p.keyword("NOT") || p.eat("-") {
		e, err := p.term(depth + 1)
		if err != nil {
			return nil, err
		}
		return Not{e}, nil
	}
	open := p.pos
	if !p.eat("(") {
		return p.comparison()
	}
	e, err := p.and(depth + 1)
	if err != nil {
		return nil, err
	}
	if p.space(); !p.eat(")") {
		if p.end() {
			return nil, p.fail(open, "this parenthesis is never closed")
		}
		return nil, p.fail(p.pos, "expected AND, OR or ), found %s", p.found())
	}
	return e, nil
}

// comparison = name operator value
func (p *parser) comparison() (Expr, error) {
	if p.comparisons++; p.comparisons > maxComparisons {
		return nil, p.fail(p.pos, "has too many comparisons; at most %d are allowed", maxComparisons)
	}
	start := p.pos
	name, quoted, err := p.word(nameEnds)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, p.fail(start, "expected a column's name, found %s", p.found())
	}
	if !quoted && (name == "AND" || name == "OR") {
		return nil, p.fail(start, "expected a column's name, found %s", name)
	}
	p.space()
	op := ""
	for _, candidate := range []string{"!=", "<=", ">=", "=", "<", ">", ":"} {
		if p.eat(candidate) {
			op = candidate
			break
		}
	}
	if op == "" {
		return nil, p.fail(p.pos, "expected one of = != < <= > >= : after %q, found %s", name, p.found())
	}
	p.space()
	at := p.pos
	value, quoted, err := p.word(valueEnds)
	if err != nil {
		return nil, err
	}
	if value == "" && !quoted {
		return nil, p.fail(at, "expected a value after %s, found %s", op, p.found())
	}
	return Compare{Field: name, Op: op, At: p.column(start), Value: Value{Text: value, Quoted: quoted, At: p.column(at)}}, nil
}

// Characters that end a bare word, besides white space. A colon may stand inside a bare value: 2013-01-01T10:00:00Z.
const (
	nameEnds  = `()"'=!<>:,`
	valueEnds = `()"'=!<>,`
)

// word reads a quoted or bare word; an empty bare word is no error here.
func (p *parser) word(ends string) (string, bool, error) {
	if p.end() {
		return "", false, nil
	}
	if quote := p.text[p.pos]; quote == '"' || quote == '\'' {
		return p.quoted(quote)
	}
	rest := p.text[p.pos:]
	n := strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(ends, r) })
	if n < 0 {
		n = len(rest)
	}
	p.pos += n
	return rest[:n], false, nil
}

// quoted reads up to the closing quote; a backslash takes the next character as it is, but for \n and \t.
func (p *parser) quoted(quote byte) (string, bool, error) {
	open := p.pos
	var b strings.Builder
	for p.pos++; !p.end(); p.pos++ {
		c := p.text[p.pos]
		switch {
		case c == quote:
			p.pos++
			return b.String(), true, nil
		case c == '\\' && p.pos+1 < len(p.text):
			p.pos++
			switch c = p.text[p.pos]; c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			}
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	return "", false, p.fail(open, "this quote is never closed")
}

func (p *parser) space() {
	rest := p.text[p.pos:]
	p.pos += len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace))
}

func (p *parser) eat(s string) bool {
	if !strings.HasPrefix(p.text[p.pos:], s) {
		return false
	}
	p.pos += len(s)
	return true
}

// keyword eats a word in capitals that stands alone, as AIP-160 writes AND, OR and NOT.
func (p *parser) keyword(word string) bool {
	rest, ok := strings.CutPrefix(p.text[p.pos:], word)
	if !ok {
		return false
	}
	if r, size := utf8.DecodeRuneInString(rest); size > 0 && !unicode.IsSpace(r) && r != '(' && r != '"' && r != '\'' {
		return false
	}
	p.pos += len(word)
	return true
}

func (p *parser) end() bool { return p.pos >= len(p.text) }

// column is a byte position in characters from 1.
func (p *parser) column(pos int) int { return utf8.RuneCountInString(p.text[:pos]) + 1 }

func (p *parser) found() string {
	if p.end() {
		return "the end"
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	return strings.TrimSpace(string(r))
}

func (p *parser) fail(pos int, format string, args ...any) error {
	return failAt(p.column(pos), format, args...)
}

func failAt(at int, format string, args ...any) error {
	return rpc.Invalid("filter", "at character %d: "+format, append([]any{at}, args...)...)
}
