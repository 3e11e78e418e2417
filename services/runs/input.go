package runs

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/internal/rpc"
)

// decodeInput turns a start form's JSON into a new message of the process's Input type and checks its rules.
func decodeInput(like proto.Message, input *structpb.Struct) (proto.Message, error) {
	return decode(like, input, "input")
}

// decode turns a form's JSON into a new message of a type and checks its rules. The error names every wrong field by its
// path as the client wrote it, below prefix: "input.displayName".
func decode(like proto.Message, input *structpb.Struct, prefix string) (proto.Message, error) {
	message := like.ProtoReflect().New().Interface()
	var faults []rpc.Violation
	readable(message.ProtoReflect(), input, prefix, &faults)
	if len(faults) > 0 {
		return nil, rpc.InvalidFields(faults...)
	}
	raw, err := protojson.Marshal(input)
	if err == nil && len(input.GetFields()) > 0 {
		err = protojson.Unmarshal(raw, message)
	}
	if err != nil {
		return nil, rpc.Invalid(prefix, "%s", plain(err))
	}
	return message, rpc.Valid(prefix, message)
}

// validInput checks the rules that the door writes beside its fields.
func validInput(message proto.Message) error { return rpc.Valid("input", message) }

// maxInput is how much a run may be started with. Temporal takes twice as much in one piece, and a process hands on what it
// was started with.
const maxInput = 1 << 20

// inputJSON is an input as a row keeps it; field names it where it is too large.
func inputJSON(input proto.Message, field string) ([]byte, error) {
	raw, err := protojson.Marshal(input)
	if err == nil && len(raw) > maxInput {
		return nil, rpc.Invalid(field, "is too large: %d bytes as JSON, and at most %d are allowed; upload a file where the process takes one", len(raw), maxInput)
	}
	return raw, err
}

// readable finds unknown fields and values of the wrong type, each under its own path; protojson alone would stop at the
// first and name a line.
func readable(message protoreflect.Message, input *structpb.Struct, path string, faults *[]rpc.Violation) {
	fields := message.Descriptor().Fields()
	for name, value := range input.GetFields() {
		at := path + "." + name
		field := fields.ByJSONName(name)
		if field == nil {
			field = fields.ByTextName(name)
		}
		if field == nil {
			*faults = append(*faults, rpc.Violation{Field: at, Description: "there is no such field; there are " + strings.Join(fieldNames(fields), ", ")})
			continue
		}
		if nested := value.GetStructValue(); nested != nil && field.Message() != nil && !field.IsMap() && !field.IsList() && !wellKnown(field.Message()) {
			readable(message.NewField(field).Message(), nested, at, faults)
			continue
		}
		one, err := protojson.Marshal(&structpb.Struct{Fields: map[string]*structpb.Value{name: value}})
		if err == nil {
			err = protojson.Unmarshal(one, message.Type().New().Interface())
		}
		if err != nil {
			*faults = append(*faults, rpc.Violation{Field: at, Description: fmt.Sprintf("must be %s", kindName(field))})
		}
	}
	slices.SortFunc(*faults, func(a, b rpc.Violation) int { return strings.Compare(a.Field, b.Field) })
}

func wellKnown(message protoreflect.MessageDescriptor) bool {
	return message.ParentFile().Package() == "google.protobuf"
}

func fieldNames(fields protoreflect.FieldDescriptors) []string {
	names := make([]string, 0, fields.Len())
	for i := range fields.Len() {
		names = append(names, fields.Get(i).JSONName())
	}
	return names
}

// kindName says in words for people what a field holds.
func kindName(field protoreflect.FieldDescriptor) string {
	name := "text"
	switch field.Kind() {
	case protoreflect.BoolKind:
		name = "true or false"
	case protoreflect.EnumKind:
		var names []string
		for i := range field.Enum().Values().Len() {
			names = append(names, string(field.Enum().Values().Get(i).Name()))
		}
		name = "one of " + strings.Join(names, ", ")
	case protoreflect.MessageKind, protoreflect.GroupKind:
		name = "an object"
	case protoreflect.BytesKind:
		name = "base64"
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		name = "a number"
	case protoreflect.StringKind:
	default:
		name = "a whole number"
	}
	switch {
	case field.IsMap():
		return "an object"
	case field.IsList():
		return "a list; each " + name
	}
	return name
}

// plain takes the parser's prefix off a message.
func plain(err error) string {
	text := err.Error()
	if _, rest, ok := strings.Cut(text, "): "); ok {
		return rest
	}
	return strings.TrimPrefix(text, "proto: ")
}
