package gateway_test

import (
	"net/http"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/microservicehub/mshub/authserver/v1"
	_ "github.com/microservicehub/mshub/services/audit/v1"
	_ "github.com/microservicehub/mshub/services/files/v1"
	_ "github.com/microservicehub/mshub/services/identity/v1"
	_ "github.com/microservicehub/mshub/services/notify/v1"
	_ "github.com/microservicehub/mshub/services/records/v1"
	_ "github.com/microservicehub/mshub/services/runs/v1"
)

// services are those of all doors, by name.
func services() []protoreflect.ServiceDescriptor {
	var all []protoreflect.ServiceDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if name := string(file.Package()); strings.HasPrefix(name, "services.") || strings.HasPrefix(name, "authserver.") {
			for i := range file.Services().Len() {
				all = append(all, file.Services().Get(i))
			}
		}
		return true
	})
	slices.SortFunc(all, func(a, b protoreflect.ServiceDescriptor) int {
		return strings.Compare(string(a.FullName()), string(b.FullName()))
	})
	return all
}

func methods() []protoreflect.MethodDescriptor {
	var all []protoreflect.MethodDescriptor
	for _, service := range services() {
		for i := range service.Methods().Len() {
			all = append(all, service.Methods().Get(i))
		}
	}
	return all
}

// routeOf returns the first REST route of a method; "" if it has none.
func routeOf(method protoreflect.MethodDescriptor) (verb, path string) {
	rule, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	for verb, path := range map[string]string{
		http.MethodGet: rule.GetGet(), http.MethodPost: rule.GetPost(), http.MethodPatch: rule.GetPatch(),
		http.MethodDelete: rule.GetDelete(), http.MethodPut: rule.GetPut(),
	} {
		if path != "" {
			return verb, path
		}
	}
	return "", ""
}

func hasRoute(method protoreflect.MethodDescriptor) bool {
	_, path := routeOf(method)
	return path != ""
}

// concretePath fills a template: "/v1/{name=runs/*}:pause" is /v1/runs/x:pause.
func concretePath(template string) string {
	for {
		before, rest, ok := strings.Cut(template, "{")
		if !ok {
			return template
		}
		variable, after, _ := strings.Cut(rest, "}")
		_, pattern, _ := strings.Cut(variable, "=")
		template = before + strings.ReplaceAll(pattern, "*", "x") + after
	}
}
