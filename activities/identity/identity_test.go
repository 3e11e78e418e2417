package identity_test

import (
	"reflect"
	"testing"

	activities "github.com/microservicehub/mshub/activities/identity"
	"github.com/microservicehub/mshub/internal/auth"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

// Whatever the door opens to runs has a verb.
func TestEveryMethodForRunsHasAVerb(t *testing.T) {
	t.Parallel()
	methods := identityv1.File_services_identity_v1_identity_proto.Services().ByName("IdentityService").Methods()
	for i := range methods.Len() {
		name := string(methods.Get(i).Name())
		_, verb := reflect.TypeFor[*activities.Activities]().MethodByName(name)
		if auth.RuleOf(methods.Get(i)).GetWorker() != verb {
			t.Errorf("%s: open to runs %v, has a verb %v", name, !verb, verb)
		}
	}
}
