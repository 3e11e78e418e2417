package main

import (
	"context"

	"github.com/microservicehub/mshub/activities"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
	"github.com/microservicehub/mshub/services/runs"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

// decides is runs.Parts.Decides: it asks identity, in the name of the context's run, for members whom a name means and who may
// decide tasks.
func (h *house) decides() (func(ctx context.Context, name string) (bool, error), error) {
	options, err := h.service("worker", activities.ClientInterceptors()...)
	if err != nil {
		return nil, err
	}
	client, base := h.peer("identity")
	people := identityv1connect.NewIdentityServiceClient(client, base, options...)
	return func(ctx context.Context, name string) (bool, error) {
		res, err := people.ListAddressees(ctx, &identityv1.ListAddresseesRequest{Concerns: []string{name}, Permission: runs.PermissionDecide})
		return len(res.GetAddressees()) > 0, err
	}, nil
}
