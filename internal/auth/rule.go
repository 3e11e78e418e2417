package auth

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"slices"
	"strings"

	"github.com/microservicehub/mshub/internal/auth/v1"
	"github.com/microservicehub/mshub/internal/rpc"
)

// Permissions is the catalogue: every permission that a method's rule names, sorted. Doors that are linked count.
func Permissions() []string {
	var all []string
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				if rule := RuleOf(methods.Get(j)); rule.GetPermission() != "" && !slices.Contains(all, rule.GetPermission()) {
					all = append(all, rule.GetPermission())
				}
			}
		}
		return true
	})
	slices.Sort(all)
	return all
}

// RuleOf reads the rule of a method; nil if it has none.
func RuleOf(method protoreflect.MethodDescriptor) *authv1.Rule {
	options, ok := method.Options().(*descriptorpb.MethodOptions)
	if !ok || !proto.HasExtension(options, authv1.E_Rule) {
		return nil
	}
	rule, _ := proto.GetExtension(options, authv1.E_Rule).(*authv1.Rule)
	return rule
}

// Check says whether the caller may call a method with this rule; nil means yes.
func Check(rule *authv1.Rule, c Caller) error {
	switch {
	case rule == nil:
		return rpc.Denied("NO_RULE", "this method is closed")
	case rule.GetPublic():
		return nil
	case c.Kind == Anonymous:
		return rpc.Unauthenticated("NO_TOKEN", "send an access token: Authorization: Bearer …")
	case c.Kind == Run:
		if !rule.GetWorker() {
			return rpc.Denied("NOT_FOR_RUNS", "runs may not call this method")
		}
		return nil
	case rule.GetService() != "":
		if c.Kind != Service || !slices.Contains(c.Scopes, rule.GetService()) {
			return rpc.Denied("NOT_FOR_YOU", "only a service of the house may call this method")
		}
		return nil
	case c.Kind == Service:
		return rpc.Denied("NOT_FOR_SERVICES", "services act for somebody; this method needs a person, a client or a run")
	case rule.GetAuthenticated():
		return nil
	}
	return Require(c, rule.GetPermission(), rule.GetScope())
}

// Require checks a permission and its scope.
func Require(c Caller, permission, scope string) error {
	if c.Kind == Anonymous {
		return rpc.Unauthenticated("NO_TOKEN", "send an access token: Authorization: Bearer …")
	}
	if !c.HasScope(scope) {
		return rpc.Denied("MISSING_SCOPE", "the token lacks the scope %q; it has %q", scope, strings.Join(c.Scopes, " "))
	}
	if !c.Has(permission) {
		return rpc.Denied("MISSING_PERMISSION", "you need the permission %q; ask an administrator for a role that has it", permission)
	}
	return nil
}
