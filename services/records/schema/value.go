package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/internal/rpc"
)

// Values reads a record given as JSON into canonical values by column, nil for null and for what is not there. Faults come
// together, each with its path under prefix ("record.data").
func (s *Schema) Values(data *structpb.Struct, prefix string) ([][]byte, error) {
	values := make([][]byte, len(s.Columns))
	var faults []rpc.Violation
	for _, name := range sortedKeys(data.GetFields()) {
		field, i := prefix+"."+name, s.Index(name)
		if i < 0 {
			faults = append(faults, rpc.Violation{Field: field, Description: "there is no such column in the dataset"})
			continue
		}
		value, fault := s.Columns[i].value(data.GetFields()[name])
		if fault != "" {
			faults = append(faults, rpc.Violation{Field: field, Description: fault})
		}
		values[i] = value
	}
	if len(faults) > 0 {
		return nil, rpc.InvalidFields(faults...)
	}
	return values, nil
}

// Complete reports the required columns that have no value.
func (s *Schema) Complete(values [][]byte, prefix string) error {
	var faults []rpc.Violation
	for i, c := range s.Columns {
		if c.Required && values[i] == nil {
			faults = append(faults, rpc.Violation{Field: prefix + "." + c.Name, Description: "is required"})
		}
	}
	if len(faults) > 0 {
		return rpc.InvalidFields(faults...)
	}
	return nil
}

func (c *Column) value(v *structpb.Value) (value []byte, fault string) {
	wrong := fmt.Sprintf("must be %s", c.Kind)
	switch v := v.GetKind().(type) {
	case *structpb.Value_NullValue:
		return nil, ""
	case *structpb.Value_BoolValue:
		if c.Kind == Boolean {
			return strconv.AppendBool(nil, v.BoolValue), ""
		}
	case *structpb.Value_NumberValue:
		if c.Kind == Number || c.Kind == Integer && v.NumberValue == float64(int64(v.NumberValue)) && v.NumberValue <= MaxInteger && v.NumberValue >= -MaxInteger {
			return AppendNumber(nil, v.NumberValue), ""
		}
		if c.Kind == Integer && v.NumberValue == math.Trunc(v.NumberValue) {
			return nil, beyond
		}
	case *structpb.Value_StringValue:
		if c.Kind == Integer || c.Kind == Number || c.Kind == Boolean {
			return nil, wrong
		}
		if !validText(v.StringValue) {
			return nil, "contains a zero byte"
		}
		// An empty text given as JSON is a text, not a missing value: no token means null here.
		out, _, fault := c.AppendCell(nil, []byte(v.StringValue), Nulls{tokens: [][]byte{}})
		if fault != "" {
			return nil, wrong
		}
		return out, ""
	}
	return nil, wrong
}

// KeyText returns the values of the key's columns of a document as text, in the key's order.
func (s *Schema) KeyText(document map[string]json.RawMessage) []string {
	key := make([]string, 0, len(s.KeyColumns))
	for _, i := range s.KeyColumns {
		raw, text := document[s.Columns[i].Name], ""
		if bytes.HasPrefix(raw, []byte{'"'}) && json.Unmarshal(raw, &text) == nil {
			key = append(key, text)
			continue
		}
		key = append(key, string(raw))
	}
	return key
}

// KeyID derives the record's id from the values of the key's columns.
func (s *Schema) KeyID(values [][]byte) uuid.UUID {
	key := make([][]byte, 0, len(s.KeyColumns))
	for _, i := range s.KeyColumns {
		key = append(key, values[i])
	}
	return KeyID(key...)
}
