package rowsink

import "github.com/microservicehub/mshub/services/records/schema"

// jsonLine appends the values as an object on a line of its own, null included, so that every line has the same members.
func (s *Sink) jsonLine(out []byte) []byte {
	out = append(out, '{')
	for i, raw := range s.values {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(schema.AppendString(out, []byte(s.format.Columns[i].Name)), ':')
		if raw == nil {
			out = append(out, null...)
		} else {
			out = append(out, raw...)
		}
	}
	return append(out, '}', '\n')
}
