package rowsink

import "strings"

// csvLine appends the values as a line of cells (RFC 4180, lines end with a line feed).
func (s *Sink) csvLine(out []byte) ([]byte, error) {
	alone := len(s.values) == 1
	for i, raw := range s.values {
		if i > 0 {
			out = append(out, ',')
		}
		if raw == nil {
			out = appendCell(out, s.format.NullToken, alone)
			continue
		}
		cell, err := text(raw)
		if err != nil {
			return out, err
		}
		if cell == s.format.NullToken || strings.Contains(cell, "\r\n") {
			s.Ambiguous++
		}
		out = appendCell(out, cell, alone)
	}
	return append(out, '\n'), nil
}

// appendCell quotes a cell where it must be: also white space around it, which some readers cut, and an empty cell that is
// alone in its line, which all readers take for no line.
func appendCell(out []byte, cell string, alone bool) []byte {
	if cell == "" && !alone {
		return out
	}
	if cell != "" && !strings.ContainsAny(cell, "\",\r\n") && strings.TrimSpace(cell) == cell {
		return append(out, cell...)
	}
	out = append(out, '"')
	for {
		i := strings.IndexByte(cell, '"')
		if i < 0 {
			break
		}
		out = append(append(out, cell[:i]...), '"', '"')
		cell = cell[i+1:]
	}
	return append(append(out, cell...), '"')
}
