package runs_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/internal/temporal"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// A task is given to those alone who can decide it; who may not give it away learns nothing of names.
func TestDelegationToNobody(t *testing.T) {
	t.Parallel()
	h := newHouse(t, nil)
	run, task, _ := h.asked()
	eve, bob := h.user([]string{"approver"}, "runs.read", "tasks.read", "tasks.decide"), h.user([]string{"approver"}, "tasks.read", "tasks.decide")
	stranger := h.user([]string{"newcomer"}, "tasks.read", "tasks.decide")
	const nobody = "users/01900000-0000-7000-8000-000000000009"
	var mu sync.Mutex
	var asked []string
	known, away := []string{bob.Actor, "roles/approver"}, error(nil)
	directory := func(ctx context.Context, name string) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if of, ok := temporal.RunFrom(ctx); !ok || of.Organisation != h.org || "runs/"+of.Run.String() != run.GetName() {
			t.Errorf("asked for the run %v", of)
		}
		asked = append(asked, name)
		return slices.Contains(known, name), away
	}
	h.decides.Store(&directory)
	set := func(names []string, err error) {
		mu.Lock()
		defer mu.Unlock()
		known, away = names, err
	}
	give := func(to string) *runsv1.DelegateTaskRequest {
		return &runsv1.DelegateTaskRequest{Name: task.GetName(), Assignee: to}
	}
	for _, name := range []string{nobody, "roles/nobody"} {
		_, err := h.as(eve).DelegateTask(t.Context(), give(name))
		if connect.CodeOf(err) != connect.CodeInvalidArgument || !cmp.Equal(rpc.FieldsOf(err), []string{"assignee"}) || !contains(rpc.Message(err), "tasks.decide") {
			t.Errorf("%s: %v (%v)", name, err, rpc.FieldsOf(err))
		}
	}
	if _, err := h.as(stranger).DelegateTask(t.Context(), give(nobody)); connect.CodeOf(err) != connect.CodeNotFound {
		t.Errorf("by who may not see the task: %v", err)
	}
	mu.Lock()
	if want := []string{nobody, "roles/nobody"}; !cmp.Equal(asked, want) {
		t.Errorf("the directory was asked for %v, want %v", asked, want)
	}
	mu.Unlock()

	set(known, errors.New("identity is away"))
	if _, err := h.as(eve).DelegateTask(t.Context(), give(bob.Actor)); connect.CodeOf(err) != connect.CodeUnavailable || contains(rpc.Message(err), "identity") {
		t.Errorf("without the directory: %v", err)
	}
	set([]string{bob.Actor}, nil)
	ctx := rpc.WithIdempotencyKey(t.Context(), "give")
	first, err := h.keyed(eve).DelegateTask(ctx, give(bob.Actor))
	if err != nil || first.GetAssignee() != bob.Actor {
		t.Fatalf("%v, %v", first, err)
	}
	set(nil, nil) // bob has left meanwhile: the call that is repeated gets its answer all the same
	if again, err := h.keyed(eve).DelegateTask(ctx, give(bob.Actor)); err != nil || again.GetVersion() != first.GetVersion() {
		t.Errorf("repeated: %v, %v", again, err)
	}
}
