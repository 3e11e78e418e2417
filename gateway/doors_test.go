package gateway_test

import (
	"slices"
	"strings"

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
