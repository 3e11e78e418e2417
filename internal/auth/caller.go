package auth

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Kind says what sort of caller it is.
type Kind int

// The kinds of callers.
const (
	Anonymous Kind = iota
	// User is a person, by the console or through a third party's client.
	User
	// Client is a machine that acts for itself.
	Client
	// Run is a worker that calls in the name of a run.
	Run
	// Service is a service of the house.
	Service
)

// Caller is who a call comes from and what it may do. It never changes during a call.
type Caller struct {
	Kind Kind
	// Organisation is the one active organisation; zero for services and for people without a membership.
	Organisation uuid.UUID
	// User is set for people only.
	User     uuid.UUID
	ClientID string
	// Keepers are set for machine clients: the people, as "users/ID", who were ever shown a secret of it. Whoever has the
	// secret is the client.
	Keepers []string
	// Run and Step are set for runs only.
	Run  uuid.UUID
	Step string
	// Actor is who is behind it, as a resource name: "users/ID", "clients/ID", "services/worker". For a run: who started it.
	Actor       string
	Permissions []string
	// Roles are the person's in the active organisation, by name ("approver"): tasks may be a role's.
	Roles     []string
	Scopes    []string
	SessionID string
	TokenID   string
	IssuedAt  time.Time
	Expiry    time.Time
	// RemoteAddress is the network address that the call came from, for the audit.
	RemoteAddress string
}

// Has reports whether one of the caller's permissions covers the wanted one: itself, "room.*" or "*".
func (c Caller) Has(permission string) bool {
	return covers(c.Permissions, permission)
}

// People are those who stand behind a call: the person, or the keepers of the client.
func (c Caller) People() []string {
	if c.Kind == User {
		return []string{c.Actor}
	}
	return c.Keepers
}

// HasScope reports whether the token's scopes cover the wanted one: itself, "admin", or "room:write" for "room:read".
func (c Caller) HasScope(scope string) bool {
	for _, have := range c.Scopes {
		if have == scope || have == "admin" {
			return true
		}
		if room, ok := strings.CutSuffix(scope, ":read"); ok && have == room+":write" {
			return true
		}
	}
	return false
}

// ScopeOf names the scope that a permission belongs to: tasks are part of runs; the verb read is `:read`, all others `:write`.
func ScopeOf(permission string) string {
	room, verb, _ := strings.Cut(permission, ".")
	if room == "tasks" {
		room = "runs"
	}
	if verb == "read" {
		return room + ":read"
	}
	return room + ":write"
}

// Restrict returns the permissions that remain under the granted scopes: what a token's `perms` holds.
// All is the catalogue of permissions, needed to cut a wildcard down.
func Restrict(permissions, scopes, all []string) []string {
	granted := Caller{Scopes: scopes}
	if granted.HasScope("admin") {
		return permissions
	}
	var left []string
	for _, p := range all {
		if covers(permissions, p) && granted.HasScope(ScopeOf(p)) {
			left = append(left, p)
		}
	}
	return left
}

func covers(permissions []string, wanted string) bool {
	room, _, _ := strings.Cut(wanted, ".")
	for _, have := range permissions {
		if have == "*" || have == wanted || have == room+".*" {
			return true
		}
	}
	return false
}

type callerKey struct{}

// From returns the caller of the call being served; the zero Caller is anonymous.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// With sets the caller. Only this package's interceptors and tests use it.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}
