package rowfile

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// objectReader reads one JSON object strictly, as encoding/json does, without decoding what no column takes.
type objectReader struct {
	text  []byte
	at    int
	fault string
	cells []byte // of strings with escapes
	name  []byte
}

// maxDepth of nested values, which are skipped anyway.
const maxDepth = 1000

// read gives each member of the object: text unescaped, other values as they are written. The bytes are views, valid until
// the next read. On a fault it stops.
func (o *objectReader) read(text []byte, member func(name, value []byte, kind Type, null bool)) {
	o.text, o.at, o.fault, o.cells = text, 0, "", o.cells[:0]
	if o.cells == nil {
		o.cells = []byte{}
	}
	if !o.accept('{') {
		if o.value(0); o.fault == "" && o.end() {
			o.fault = "is no JSON object; each record must be one"
		}
		return
	}
	if o.accept('}') {
		o.end()
		return
	}
	for {
		if o.peek() != '"' {
			o.unexpected("a member's name in quotes")
			return
		}
		name, ok := o.string()
		if !ok {
			return
		}
		o.name = append(o.name[:0], name...) // what follows may reuse the buffer
		if !o.accept(':') {
			o.unexpected("a colon")
			return
		}
		value, kind, null := o.member()
		if o.fault != "" {
			return
		}
		member(o.name, value, kind, null)
		if o.accept(',') {
			continue
		}
		if !o.accept('}') {
			o.unexpected("a comma or }")
			return
		}
		o.end()
		return
	}
}

// member reads a value that a column may take.
func (o *objectReader) member() (value []byte, kind Type, null bool) {
	switch b := o.peek(); b {
	case '"':
		value, _ = o.string()
		return value, Text, false
	case '{', '[':
		from := o.at
		o.value(1)
		return o.text[from:o.at:o.at], Nested, false
	default:
		from := o.at
		o.value(1)
		value = o.text[from:o.at:o.at]
		if b == 't' || b == 'f' {
			return value, Boolean, false
		}
		return value, Number, b == 'n'
	}
}

// value skips any value.
func (o *objectReader) value(depth int) {
	if depth > maxDepth {
		o.fault = "is nested too deeply"
		return
	}
	switch b := o.peek(); {
	case b == '"':
		o.skipString()
	case b == '{' || b == '[':
		o.nested(b, depth)
	case b == 't':
		o.literal("true")
	case b == 'f':
		o.literal("false")
	case b == 'n':
		o.literal("null")
	case b == '-' || digit(b):
		o.number()
	default:
		o.unexpected("a value")
	}
}

func (o *objectReader) nested(open byte, depth int) {
	closing := open + 2 // in ASCII, of both kinds
	o.at++
	if o.accept(closing) {
		return
	}
	for o.fault == "" {
		if open == '{' {
			if o.peek() != '"' {
				o.unexpected("a member's name in quotes")
				return
			}
			if o.skipString(); o.fault == "" && !o.accept(':') {
				o.unexpected("a colon")
			}
		}
		if o.fault == "" {
			o.value(depth + 1)
		}
		if o.fault != "" || o.accept(closing) {
			return
		}
		if !o.accept(',') {
			o.unexpected("a comma or " + string(rune(closing)))
		}
	}
}

func (o *objectReader) literal(word string) {
	if !bytes.HasPrefix(o.text[o.at:], []byte(word)) {
		o.unexpected("a value")
		return
	}
	o.at += len(word)
}

func (o *objectReader) number() {
	o.acceptHere('-')
	switch {
	case o.acceptHere('0'):
	case !o.digits():
		return
	}
	if o.acceptHere('.') && !o.digits() {
		return
	}
	if o.acceptHere('e') || o.acceptHere('E') {
		if !o.acceptHere('+') {
			o.acceptHere('-')
		}
		o.digits()
	}
}

func (o *objectReader) digits() bool {
	from := o.at
	for o.at < len(o.text) && digit(o.text[o.at]) {
		o.at++
	}
	if o.at == from {
		o.unexpected("a digit")
	}
	return o.at > from
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

// string reads the text at a quote: a view where it has no escapes.
func (o *objectReader) string() ([]byte, bool) {
	from := o.at + 1
	for i := from; i < len(o.text); i++ {
		switch b := o.text[i]; {
		case b == '"':
			o.at = i + 1
			return o.text[from:i:i], true
		case b == '\\':
			return o.escaped(from)
		case b < ' ':
			o.at = i
			o.unexpected("no control character in a text")
			return nil, false
		}
	}
	o.at = len(o.text)
	o.unexpected("a closing quote")
	return nil, false
}

func (o *objectReader) skipString() {
	kept := len(o.cells)
	o.string()
	o.cells = o.cells[:kept]
}

func (o *objectReader) escaped(from int) ([]byte, bool) {
	start := len(o.cells)
	for i := from; i < len(o.text); {
		b := o.text[i]
		switch {
		case b == '"':
			o.at = i + 1
			return o.cells[start:len(o.cells):len(o.cells)], true
		case b < ' ':
			o.at = i
			o.unexpected("no control character in a text")
			return nil, false
		case b != '\\':
			o.cells = append(o.cells, b)
			i++
			continue
		}
		r, n := escape(o.text[i:])
		if n == 0 {
			o.at = i
			o.unexpected("an escape such as \\n or \\u00e4")
			return nil, false
		}
		o.cells = utf8.AppendRune(o.cells, r)
		i += n
	}
	o.at = len(o.text)
	o.unexpected("a closing quote")
	return nil, false
}

var escapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads an escape sequence; n is 0 if it is none.
func escape(text []byte) (r rune, n int) {
	if len(text) < 2 {
		return 0, 0
	}
	if r, ok := escapes[text[1]]; ok {
		return r, 2
	}
	unit := hexUnit(text)
	if unit < 0 {
		return 0, 0
	}
	if utf16.IsSurrogate(unit) {
		if pair := utf16.DecodeRune(unit, hexUnit(text[6:])); pair != utf8.RuneError {
			return pair, 12
		}
		return utf8.RuneError, 6
	}
	return unit, 6
}

// hexUnit reads \uXXXX, or -1.
func hexUnit(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil || text[2] == '+' || text[2] == '-' {
		return -1
	}
	return rune(n)
}

// peek skips white space and returns the byte there, or 0.
func (o *objectReader) peek() byte {
	for o.at < len(o.text) {
		switch b := o.text[o.at]; b {
		case ' ', '\t', '\r', '\n':
			o.at++
		default:
			return b
		}
	}
	return 0
}

func (o *objectReader) accept(b byte) bool {
	if o.peek() != b || o.at == len(o.text) {
		return false
	}
	o.at++
	return true
}

func (o *objectReader) acceptHere(b byte) bool {
	if o.at < len(o.text) && o.text[o.at] == b {
		o.at++
		return true
	}
	return false
}

// end checks that nothing follows.
func (o *objectReader) end() bool {
	if o.peek(); o.at < len(o.text) {
		o.unexpected("the end of the record")
		return false
	}
	return true
}

func (o *objectReader) unexpected(wanted string) {
	if o.fault != "" {
		return
	}
	found := "the end"
	if o.at < len(o.text) {
		r, _ := utf8.DecodeRune(o.text[o.at:])
		found = strconv.QuoteRune(r)
	}
	o.fault = fmt.Sprintf("is not JSON: byte %d of the record is %s, where %s should be", o.at+1, found, wanted)
}

// shown is a name for a message.
func shown(name []byte) string {
	const most = 100
	if len(name) > most {
		name = append(bytes.ToValidUTF8(name[:most], nil), "…"...)
	}
	return strconv.Quote(string(name))
}
