package gateway

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/microservicehub/mshub/internal/auth"
)

var (
	// Made by protoc-gen-openapi (buf.gen.openapi.yaml).
	//go:embed openapi.yaml
	generatedOpenAPI []byte
	//go:embed openapi.extra.yaml
	extraOpenAPI string
)

// Document is an OpenAPI 3.0 description as JSON has it.
type Document map[string]any

// Describe makes the description of the whole API for an installation: what was generated from the doors, what
// openapi.extra.yaml adds, and for each operation its permission and scope, read from the same rules that are enforced.
func Describe(publicURL string) (Document, error) {
	var document, extra Document
	// A version of gnostic's plural: processes are many a process.
	generated := strings.ReplaceAll(string(generatedOpenAPI), "processe}", "process}")
	generated = strings.ReplaceAll(generated, "name: processe\n", "name: process\n")
	if err := yaml.Unmarshal([]byte(generated), &document); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(extraOpenAPI, "${PUBLIC_URL}", strings.TrimSuffix(publicURL, "/"))), &extra); err != nil {
		return nil, fmt.Errorf("openapi.extra.yaml: %w", err)
	}
	lay(document, extra)
	methods := methodsByOperation()
	scopes := map[string]any{}
	for _, operation := range document.operations() {
		if method := methods[operation.id]; method != nil {
			operation.describe(method)
		}
		if scope := operation.scope(); scope != "" {
			scopes[scope] = describeScope(scope)
		}
		responses, _ := operation.node["responses"].(Document)
		responses["default"] = Document{"$ref": "#/components/responses/Error"}
	}
	scopes["admin"] = "Everything that your role allows in the organisation."
	for _, flow := range []string{"authorizationCode", "clientCredentials"} {
		document.at("components", "securitySchemes", "oauth2", "flows", flow)["scopes"] = scopes
	}
	return document, nil
}

// Serve answers with the document; it is public.
func (d Document) Serve() (http.Handler, error) {
	raw, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return static("application/json", raw, nil), nil
}

// static serves bytes that don't change while the process lives.
func static(contentType string, body []byte, header http.Header) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			failMethod(w, r, http.MethodGet, http.MethodHead)
			return
		}
		maps.Copy(w.Header(), header)
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(body)
	})
}

// operation is one path and verb.
type operation struct {
	id, verb, path string
	node           Document
}

// operations lists them by path, in the order people expect of verbs.
func (d Document) operations() []operation {
	var all []operation
	paths := d.at("paths")
	for path := range paths {
		item := paths.at(path)
		for verb := range item {
			node := item.at(verb)
			id, _ := node["operationId"].(string)
			all = append(all, operation{id: id, verb: strings.ToUpper(verb), path: path, node: node})
		}
	}
	order := []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete}
	slices.SortFunc(all, func(a, b operation) int {
		if a.path != b.path {
			return strings.Compare(a.path, b.path)
		}
		return slices.Index(order, a.verb) - slices.Index(order, b.verb)
	})
	return all
}

// describe adds what the method's rule says.
func (o operation) describe(method protoreflect.MethodDescriptor) {
	o.node["summary"] = words(string(method.Name()))
	rule := auth.RuleOf(method)
	switch {
	case rule.GetPublic():
		o.node["security"] = []any{}
	case rule.GetScope() != "":
		o.node["security"] = []any{Document{"oauth2": []any{rule.GetScope()}}}
		o.node["x-permission"] = rule.GetPermission()
	default:
		o.node["security"] = []any{Document{"oauth2": []any{}}}
	}
	if o.verb != http.MethodGet {
		parameters, _ := o.node["parameters"].([]any)
		o.node["parameters"] = append(parameters, Document{"$ref": "#/components/parameters/IdempotencyKey"})
	}
}

// scope is the scope that the operation needs; "" if none.
func (o operation) scope() string {
	security, _ := o.node["security"].([]any)
	for _, one := range security {
		requirement, _ := one.(Document)
		if scopes, ok := requirement["oauth2"].([]any); ok && len(scopes) > 0 {
			scope, _ := scopes[0].(string)
			return scope
		}
	}
	return ""
}

func describeScope(scope string) string {
	room, verb, _ := strings.Cut(scope, ":")
	if verb == "read" {
		return "Read " + room + "."
	}
	return "Read and change " + room + "."
}

// methodsByOperation finds methods by gnostic's operation ids: "RunsService_GetRun".
func methodsByOperation() map[string]protoreflect.MethodDescriptor {
	found := map[string]protoreflect.MethodDescriptor{}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				method := service.Methods().Get(j)
				found[string(service.Name())+"_"+string(method.Name())] = method
			}
		}
		return true
	})
	return found
}

// words reads a name as a sentence does: "ListRuns" is "List runs".
func words(name string) string {
	var out strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) {
			out.WriteByte(' ')
			r = unicode.ToLower(r)
		}
		out.WriteRune(r)
	}
	return out.String()
}

// at walks into the document; nil if there is nothing.
func (d Document) at(path ...string) Document {
	for _, key := range path {
		d, _ = d[key].(Document)
	}
	return d
}

// lay puts one document over another: objects are merged, lists joined, anything else is replaced.
func lay(under, over Document) {
	for key, value := range over {
		switch value := value.(type) {
		case Document:
			if below, ok := under[key].(Document); ok {
				lay(below, value)
				continue
			}
		case []any:
			if below, ok := under[key].([]any); ok {
				under[key] = append(below, value...)
				continue
			}
		}
		under[key] = value
	}
}
