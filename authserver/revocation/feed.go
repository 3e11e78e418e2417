package revocation

import (
	"context"
	"net/http"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/authserver/access"
	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

// Feed serves GET /oauth2/revocations?since=RFC3339 to the house's own nodes: a JSON list of auth.Revocation.
func (b *Book) Feed(verifier *access.Verifier) http.Handler {
	errors := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := verifier.Bearer(r.Context(), r)
		if err == nil && caller.Kind != auth.Service {
			err = rpc.Denied("NOT_FOR_YOU", "only a service of the house may read the revocations")
		}
		var since time.Time
		if err == nil {
			if since, err = time.Parse(time.RFC3339Nano, r.URL.Query().Get("since")); err != nil {
				err = rpc.Invalid("since", "is not a time in RFC 3339")
			}
		}
		list := []auth.Revocation{}
		if err == nil {
			list, err = b.since(r.Context(), since)
		}
		if err != nil {
			auth.WriteError(errors, w, r, rpc.Public(r.Context(), b.log, r.URL.Path, err))
			return
		}
		protocol.Answer(w, http.StatusOK, list)
	})
}

func (b *Book) since(ctx context.Context, since time.Time) ([]auth.Revocation, error) {
	var rows []store.Revocation
	err := b.db.Global(ctx, func(tx pgx.Tx) (err error) {
		rows, err = b.q.RevocationsSince(ctx, tx, since)
		return err
	})
	list := make([]auth.Revocation, len(rows))
	for i, row := range rows {
		list[i] = auth.Revocation{Kind: row.Kind, ID: row.ID, Time: row.Time}
	}
	return list, err
}
