package rpc

import (
	"context"
	"errors"
	"strings"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Valid checks the rules that a door writes beside its fields. Its error is InvalidFields: paths as JSON has them, below
// prefix if there is one, and words for people.
func Valid(prefix string, message proto.Message) error {
	err := protovalidate.Validate(message)
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	var faults []Violation
	seen := map[Violation]bool{} // an empty text breaks several rules by being missing
	for _, v := range invalid.Violations {
		field := FieldPath(v)
		switch {
		case field == "" && prefix == "":
			field = "request"
		case field == "":
			field = prefix
		case prefix != "":
			field = prefix + "." + field
		}
		if fault := (Violation{Field: field, Description: describe(v)}); !seen[fault] {
			seen[fault] = true
			faults = append(faults, fault)
		}
	}
	return InvalidFields(faults...)
}

// FieldPath is where a rule is broken, spelled as in JSON: "user.displayName", "items[2].fileName".
func FieldPath(v *protovalidate.Violation) string {
	path := protovalidate.FieldPathString(v.Proto.GetField())
	var b strings.Builder
	quoted := false // the key of a map stays as it is
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case quoted && c == '\\' && i+1 < len(path):
			b.WriteByte(c)
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c == '_' && i+1 < len(path) && path[i+1] >= 'a' && path[i+1] <= 'z':
			i++
			b.WriteByte(path[i] - 'a' + 'A')
			continue
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

// describe says what is wrong, to be followed after the field; protovalidate's own words are good where they name limits.
func describe(v *protovalidate.Violation) string {
	rule := v.Proto.GetRuleId()
	switch {
	case rule == "required" || missing(rule, v.FieldValue):
		return "is missing"
	case rule == "string.pattern":
		return "has the wrong form"
	case strings.HasPrefix(rule, "enum.") && v.FieldDescriptor != nil && v.FieldDescriptor.Enum() != nil:
		return "must be one of " + strings.Join(allowed(rule, v), ", ")
	}
	return v.Proto.GetMessage()
}

// missing knows texts and lists that may not be empty, and are.
func missing(rule string, value protoreflect.Value) bool {
	if !value.IsValid() {
		return false
	}
	switch value := value.Interface().(type) {
	case string:
		return value == "" && strings.HasPrefix(rule, "string.")
	case []byte:
		return len(value) == 0 && rule == "bytes.min_len"
	case protoreflect.List:
		return value.Len() == 0 && rule == "repeated.min_items"
	}
	return false
}

// allowed are the names that an enum's rule leaves, without the one that means nothing was said.
func allowed(rule string, v *protovalidate.Violation) []string {
	listed := map[protoreflect.EnumNumber]bool{}
	if v.RuleValue.IsValid() {
		if list, ok := v.RuleValue.Interface().(protoreflect.List); ok {
			for i := range list.Len() {
				listed[protoreflect.EnumNumber(list.Get(i).Int())] = true
			}
		}
	}
	var names []string
	values := v.FieldDescriptor.Enum().Values()
	for i := range values.Len() {
		number := values.Get(i).Number()
		if number == 0 || rule == "enum.in" && !listed[number] || rule == "enum.not_in" && listed[number] {
			continue
		}
		names = append(names, string(values.Get(i).Name()))
	}
	return names
}

// validRequests refuses requests that break their door's rules.
func validRequests() connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			if message, ok := req.Any().(proto.Message); ok {
				if err := Valid("", message); err != nil {
					return nil, err
				}
			}
			return next(ctx, req)
		}
	}
}
