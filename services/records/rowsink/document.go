package rowsink

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/microservicehub/mshub/services/records/schema"
)

// members finds the members of flat JSON objects. PostgreSQL writes them with white space, in an order of its own.
type members struct {
	index map[string]int // by the name as JSON has it, without quotes
}

func newMembers(columns []schema.Column) members {
	m := members{make(map[string]int, len(columns))}
	for i, c := range columns {
		name := schema.AppendString(nil, []byte(c.Name))
		m.index[string(name[1:len(name)-1])] = i
	}
	return m
}

var errNoDocument = errors.New("records: a stored document is no flat JSON object")

// read fills values with the raw JSON values of the columns, nil for null and for what is not there. Values are views into
// the document.
func (m members) read(document []byte, values [][]byte) error {
	clear(values)
	rest, ok := after(document, '{')
	if !ok {
		return errNoDocument
	}
	if _, empty := after(rest, '}'); empty {
		return nil
	}
	for {
		rest = bytes.TrimLeft(rest, space)
		n := textLength(rest)
		if n < 2 {
			return errNoDocument
		}
		name := rest[1 : n-1]
		if rest, ok = after(rest[n:], ':'); !ok {
			return errNoDocument
		}
		rest = bytes.TrimLeft(rest, space)
		if n = valueLength(rest); n == 0 {
			return errNoDocument
		}
		if i, wanted := m.index[string(name)]; wanted && !bytes.Equal(rest[:n], null) {
			values[i] = rest[:n]
		}
		rest = rest[n:]
		if next, more := after(rest, ','); more {
			rest = next
			continue
		}
		if _, end := after(rest, '}'); end {
			return nil
		}
		return errNoDocument
	}
}

const space = " \t\r\n"

var null = []byte("null")

// after skips white space and one byte.
func after(text []byte, b byte) (rest []byte, ok bool) {
	text = bytes.TrimLeft(text, space)
	if len(text) == 0 || text[0] != b {
		return text, false
	}
	return text[1:], true
}

// textLength of the JSON string at the beginning, quotes included; 0 if there is none.
func textLength(text []byte) int {
	if len(text) == 0 || text[0] != '"' {
		return 0
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// valueLength of the JSON scalar at the beginning; 0 if there is none.
func valueLength(text []byte) int {
	if n := textLength(text); n > 0 {
		return n
	}
	if i := bytes.IndexAny(text, ",} \t\r\n{[\""); i >= 0 {
		return i
	}
	return 0
}

// text is a raw value as text: a string's content, or the value as it is written.
func text(raw []byte) (string, error) {
	if raw[0] != '"' {
		return string(raw), nil
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var out string
	err := json.Unmarshal(raw, &out)
	return out, err
}
