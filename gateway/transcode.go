package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/microservicehub/mshub/internal/rpc"
)

// updateMask is the field of an update's request that says which fields are meant.
const updateMask protoreflect.Name = "update_mask"

// binding is one route of one method.
type binding struct {
	procedure string // "/services.runs.v1.RunsService/GetRun"
	input     protoreflect.MessageType
	// body is the field that the HTTP body fills; whole if it fills the request, nil if there is none.
	body  protoreflect.FieldDescriptor
	whole bool
}

func newBinding(method protoreflect.MethodDescriptor, body string) (*binding, error) {
	input, err := protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName())
	if err != nil {
		return nil, err
	}
	b := &binding{
		procedure: fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name()),
		input:     input, whole: body == "*",
	}
	if body != "" && !b.whole {
		b.body = method.Input().Fields().ByName(protoreflect.Name(body))
		if b.body == nil || b.body.Message() == nil || b.body.IsList() || b.body.IsMap() {
			return nil, fmt.Errorf("body %q is no message of %s", body, method.Input().FullName())
		}
	}
	return b, nil
}

// request makes the Connect request: the body first, then the query, then the path, which wins.
func (b *binding) request(raw []byte, params map[string]string, query url.Values) ([]byte, error) {
	message := b.input.New().Interface()
	if err := b.fillBody(message, raw); err != nil {
		return nil, err
	}
	if err := b.fillQuery(message, params, query); err != nil {
		return nil, err
	}
	for path, value := range params {
		if err := runtime.PopulateFieldFromPath(message, path, value); err != nil {
			return nil, rpc.Invalid(jsonPath(path), "%s", err)
		}
	}
	out, err := protojson.Marshal(message)
	if err != nil {
		return nil, rpc.Invalid("body", "%s", clean(err))
	}
	return out, nil
}

func (b *binding) fillBody(message proto.Message, raw []byte) error {
	target, prefix := message, ""
	switch {
	case b.body != nil:
		target, prefix = message.ProtoReflect().Mutable(b.body).Message().Interface(), string(b.body.Name())+"."
	case !b.whole:
		return nil
	}
	if len(strings.TrimSpace(string(raw))) == 0 {
		return nil
	}
	if err := protojson.Unmarshal(raw, target); err != nil {
		return bodyError(prefix, err)
	}
	if mask := maskOf(message); mask != nil && b.body != nil {
		// AIP-134: an update without a mask means the fields that were sent.
		mask.Set(message.ProtoReflect().Descriptor().Fields().ByName(updateMask), protoreflect.ValueOfMessage(sentFields(raw, b.body.Message()).ProtoReflect()))
	}
	return nil
}

// maskOf returns the request if it has an update mask.
func maskOf(message proto.Message) protoreflect.Message {
	field := message.ProtoReflect().Descriptor().Fields().ByName(updateMask)
	if field == nil || field.Message() == nil || field.Message().FullName() != "google.protobuf.FieldMask" {
		return nil
	}
	return message.ProtoReflect()
}

// sentFields lists the fields of an object that a body names; the resource's own name says which one, not what to change.
func sentFields(raw []byte, message protoreflect.MessageDescriptor) *fieldmaskpb.FieldMask {
	var sent map[string]json.RawMessage
	_ = json.Unmarshal(raw, &sent) // protojson has read it
	mask := &fieldmaskpb.FieldMask{}
	for key := range sent {
		field := message.Fields().ByJSONName(key)
		if field == nil {
			field = message.Fields().ByTextName(key)
		}
		if field != nil && field.Name() != "name" {
			mask.Paths = append(mask.Paths, string(field.Name()))
		}
	}
	slices.Sort(mask.GetPaths())
	return mask
}

// fillQuery sets the fields that neither path nor body sets: `pageSize`, `page_size`, `client.displayName`.
func (b *binding) fillQuery(message proto.Message, params map[string]string, query url.Values) error {
	if len(query) == 0 {
		return nil
	}
	if b.whole {
		for name := range query {
			return rpc.Invalid(name, "belongs into the body")
		}
	}
	var bound [][]string
	for path := range params {
		bound = append(bound, strings.Split(path, "."))
	}
	if b.body != nil {
		bound = append(bound, []string{string(b.body.Name())})
	}
	for name := range query {
		path, ok := fieldPath(b.input.Descriptor(), name)
		if !ok {
			return rpc.Invalid(name, "is no parameter of this address")
		}
		for _, taken := range bound {
			if len(path) >= len(taken) && slices.Equal(path[:len(taken)], taken) {
				return rpc.Invalid(name, "is set by the path or the body")
			}
		}
	}
	if mask := maskOf(message); mask != nil && (query.Has("updateMask") || query.Has(string(updateMask))) {
		mask.Clear(message.ProtoReflect().Descriptor().Fields().ByName(updateMask))
	}
	for name, values := range query {
		if err := runtime.PopulateQueryParameters(message, url.Values{name: values}, utilities.NewDoubleArray(bound)); err != nil {
			return parameterError(name, err)
		}
	}
	if mask := maskOf(message); mask != nil {
		snakeCase(mask)
	}
	return nil
}

// parameterError says in the house's words what a parameter should have been.
func parameterError(name string, err error) error {
	if number, ok := errors.AsType[*strconv.NumError](err); ok {
		switch number.Func {
		case "ParseInt", "ParseUint":
			if errors.Is(err, strconv.ErrRange) {
				return rpc.Invalid(name, "is out of range")
			}
			return rpc.Invalid(name, "is not a whole number")
		case "ParseFloat":
			return rpc.Invalid(name, "is not a number")
		case "ParseBool":
			return rpc.Invalid(name, "is not true or false")
		}
	}
	return rpc.Invalid(name, "%s", clean(err))
}

// fieldPath resolves a parameter's name, in JSON or proto spelling, to the names of its fields. A map's key follows in
// brackets.
func fieldPath(message protoreflect.MessageDescriptor, name string) ([]string, bool) {
	var path []string
	name, _, _ = strings.Cut(name, "[")
	for part := range strings.SplitSeq(name, ".") {
		if message == nil {
			return nil, false
		}
		field := message.Fields().ByJSONName(part)
		if field == nil {
			field = message.Fields().ByTextName(part)
		}
		if field == nil {
			return nil, false
		}
		path = append(path, string(field.Name()))
		message = field.Message()
	}
	return path, true
}

// snakeCase accepts a mask in JSON spelling, as it stands in a body's mask: "displayName" is display_name.
func snakeCase(request protoreflect.Message) {
	mask, ok := request.Get(request.Descriptor().Fields().ByName(updateMask)).Message().Interface().(*fieldmaskpb.FieldMask)
	if !ok {
		return
	}
	for i, path := range mask.GetPaths() {
		var snake strings.Builder
		for _, r := range strings.TrimSpace(path) {
			if unicode.IsUpper(r) {
				snake.WriteByte('_')
				r = unicode.ToLower(r)
			}
			snake.WriteRune(r)
		}
		mask.Paths[i] = snake.String()
	}
}

// jsonPath spells a field's path as in JSON.
func jsonPath(path string) string {
	var out strings.Builder
	upper := false
	for _, r := range path {
		switch {
		case r == '_':
			upper = true
			continue
		case upper:
			r = unicode.ToUpper(r)
		}
		upper = false
		out.WriteRune(r)
	}
	return out.String()
}

var (
	unknownField = regexp.MustCompile(`unknown field "([^"]*)"`)
	badField     = regexp.MustCompile(`invalid value for \S+ (?:type|field|key)? ?([A-Za-z0-9_]+): (.*)`)
	duplicate    = regexp.MustCompile(`duplicate field "([^"]*)"`)
	position     = regexp.MustCompile(`^(?:proto:)?\s*(?:syntax error )?\(line (\d+):(\d+)\): `)
)

// bodyError says in the house's words what protojson does not understand.
func bodyError(prefix string, err error) error {
	text := clean(err)
	prefix = jsonPath(prefix)
	if m := unknownField.FindStringSubmatch(text); m != nil {
		return rpc.Invalid(prefix+m[1], "is not a field of this request")
	}
	if m := duplicate.FindStringSubmatch(text); m != nil {
		return rpc.Invalid(prefix+m[1], "comes twice")
	}
	if m := badField.FindStringSubmatch(text); m != nil {
		return rpc.Invalid(prefix+m[1], "has the wrong type: %s", m[2])
	}
	if m := position.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\u00a0", " ")); m != nil {
		return rpc.Invalid("body", "is not the JSON of this request: line %s, column %s: %s", m[1], m[2], text)
	}
	return rpc.Invalid("body", "is not the JSON of this request: %s", text)
}

// clean takes the library's own marks off its message.
func clean(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.TrimSpace(strings.TrimPrefix(position.ReplaceAllString(text, ""), "proto:"))
}
