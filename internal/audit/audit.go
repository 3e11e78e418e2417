// Package audit is how a room writes the audit trail: one row in the transaction of the change itself, so that no change
// is without its entry and no entry without its change. The table, the chain and the reading belong to services/audit.
package audit

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
)

// Entry says what was changed. Who, in which organisation and from where is taken from the call.
type Entry struct {
	// Action is the method or command: "services.identity.v1.IdentityService/DisableUser".
	Action string
	// Target is the resource's name: "users/ID".
	Target string
	// Before and After are references, not copies: states, roles, names; never secrets, never a person's data beyond need.
	Before, After map[string]any
	// Reason as the person gave it.
	Reason string
	// Organisation overrides the caller's, for changes made by the house itself.
	Organisation uuid.UUID
}

// Append writes the entry. Call it inside the change's transaction.
func Append(ctx context.Context, tx pgx.Tx, e Entry) error {
	caller := auth.From(ctx)
	organisation := e.Organisation
	if organisation == uuid.Nil {
		organisation = caller.Organisation
	}
	var run *uuid.UUID
	if caller.Run != uuid.Nil {
		run = &caller.Run
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "SELECT audit.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		id, organisation, caller.Actor, run, e.Action, e.Target, orEmpty(e.Before), orEmpty(e.After), caller.RemoteAddress, e.Reason)
	return err
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
