package auth

import (
	"context"
	"net/http"
	"slices"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/rpc"
)

// WorkerScope is the scope of a worker's token; only beside it the run's headers are believed.
const WorkerScope = "mshub.worker"

// Headers with which a worker says in whose name it calls.
const (
	headerOrganisation = "Mshub-Organisation"
	headerActor        = "Mshub-Actor"
	headerRun          = "Mshub-Run"
	headerStep         = "Mshub-Step"
)

// RunIdentity is what a run acts as: it outlives its starter's token, so it carries names, not tokens.
type RunIdentity struct {
	Organisation uuid.UUID
	Run          uuid.UUID
	// Actor started the run: "users/ID", "clients/ID", "facts/ID".
	Actor string
	// Step under way.
	Step string
}

// RunHeaders adds the headers of the run to a worker's calls; identity reads the run from the activity's context.
func RunHeaders(identity func(ctx context.Context) (RunIdentity, bool)) connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			if run, ok := identity(ctx); ok && req.Spec().IsClient {
				h := req.Header()
				h.Set(headerOrganisation, run.Organisation.String())
				h.Set(headerRun, run.Run.String())
				h.Set(headerActor, run.Actor)
				h.Set(headerStep, run.Step)
			}
			return next(ctx, req)
		}
	}
}

// asRun turns a worker's token with headers into the run's caller; without the scope the headers mean nothing.
func asRun(c Caller, header http.Header) (Caller, error) {
	if c.Kind != Service || !slices.Contains(c.Scopes, WorkerScope) || header.Get(headerRun) == "" {
		return c, nil
	}
	organisation, err := uuid.Parse(header.Get(headerOrganisation))
	if err != nil {
		return Caller{}, rpc.Unauthenticated("RUN_HEADERS", "%s is not a UUID", headerOrganisation)
	}
	run, err := uuid.Parse(header.Get(headerRun))
	if err != nil {
		return Caller{}, rpc.Unauthenticated("RUN_HEADERS", "%s is not a UUID", headerRun)
	}
	c.Kind, c.Organisation, c.Run = Run, organisation, run
	c.Actor, c.Step = header.Get(headerActor), header.Get(headerStep)
	return c, nil
}
