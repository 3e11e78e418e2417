package rowfile

import (
	"bytes"
	"strings"
)

// Guess what the beginning of a file's text says: kind, delimiter and quote.
func Guess(head []byte) Format {
	f := Format{Comma: ',', Quote: '"'}
	text := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case bytes.HasPrefix(text, []byte("[")) && begins(text[1:], "{]"):
		f.Kind = JSONFile
	case bytes.HasPrefix(text, []byte("{")) && begins(text[1:], `"}`):
		f.Kind = NDJSONFile
	default:
		f.Quote = GuessQuote(text)
		f.Comma = GuessDelimiter(text, f.Quote)
	}
	return f
}

func begins(text []byte, with string) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && strings.IndexByte(with, text[0]) >= 0
}

// delimiters that are looked for; the first one wins a tie.
var delimiters = []byte{',', ';', '\t', '|'}

// GuessDelimiter takes the one that the first line has most of, outside quotes.
func GuessDelimiter(head []byte, quote byte) byte {
	counts, quoted := map[byte]int{}, false
	for _, b := range head {
		if b == '\n' && !quoted {
			break
		}
		if b == quote && quote != 0 {
			quoted = !quoted
		} else if !quoted {
			counts[b]++
		}
	}
	best := delimiters[0]
	for _, candidate := range delimiters[1:] {
		if counts[candidate] > counts[best] {
			best = candidate
		}
	}
	return best
}

// GuessQuote takes the single quote only where the first line begins with one, a delimiter follows the next, and there is
// no double quote in it.
func GuessQuote(head []byte) byte {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	if len(line) < 3 || line[0] != '\'' || bytes.IndexByte(line, '"') >= 0 {
		return '"'
	}
	end := bytes.IndexByte(line[1:], '\'') + 1
	if end > 0 && (end == len(line)-1 || bytes.IndexByte(delimiters, line[end+1]) >= 0) {
		return '\''
	}
	return '"'
}
