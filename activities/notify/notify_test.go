package notify_test

import (
	"reflect"
	"testing"

	activities "github.com/microservicehub/mshub/activities/notify"
	"github.com/microservicehub/mshub/internal/auth"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
)

// Whatever the door opens to runs has a verb.
func TestEveryMethodForRunsHasAVerb(t *testing.T) {
	t.Parallel()
	methods := notifyv1.File_services_notify_v1_notify_proto.Services().ByName("NotifyService").Methods()
	for i := range methods.Len() {
		name := string(methods.Get(i).Name())
		_, verb := reflect.TypeFor[*activities.Activities]().MethodByName(name)
		if auth.RuleOf(methods.Get(i)).GetWorker() != verb {
			t.Errorf("%s: open to runs %v, has a verb %v", name, !verb, verb)
		}
	}
}
