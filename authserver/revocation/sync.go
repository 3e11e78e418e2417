package revocation

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/types/known/timestamppb"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"

	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

const (
	// syncEvery is how long an administrator waits until a disabled person is out.
	syncEvery = 2 * time.Second
	// syncOverlap covers transactions that commit later than their time says.
	syncOverlap = time.Minute
	// clockSlack keeps the sign-in that comes with a new password alive where the clocks of two machines differ.
	clockSlack = 2 * time.Second
	// syncBack is how far the first look goes back: what happened while no node of ours was up.
	syncBack = 24 * time.Hour
)

// Sync follows the identity service's changes of access until ctx ends. Every node does; a change twice is harmless,
// because each ends only what began before it.
func (b *Book) Sync(ctx context.Context, credentials identityv1connect.CredentialServiceClient) {
	ticker := time.NewTicker(syncEvery)
	defer ticker.Stop()
	seen := b.now().Add(-syncBack)
	failing := false
	for {
		newest, err := b.syncOnce(ctx, credentials, seen.Add(-syncOverlap))
		switch {
		case err == nil:
			failing = false
			if newest.After(seen) {
				seen = newest
			}
		case ctx.Err() == nil && !failing:
			failing = true
			b.log.WarnContext(ctx, "changes of access can't be read from identity; who loses access now keeps it until the tokens expire", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// syncOnce applies what changed and returns the time of the newest change.
func (b *Book) syncOnce(ctx context.Context, credentials identityv1connect.CredentialServiceClient, since time.Time) (newest time.Time, err error) {
	for {
		res, err := credentials.ListAccessChanges(ctx, &identityv1.ListAccessChangesRequest{Since: timestamppb.New(since)})
		if err != nil || len(res.GetChanges()) == 0 {
			return newest, err
		}
		if err := b.apply(ctx, res.GetChanges()); err != nil {
			return newest, err
		}
		newest = res.GetChanges()[len(res.GetChanges())-1].GetTime().AsTime()
		if !newest.After(since) || len(res.GetChanges()) < pageOfChanges {
			return newest, nil
		}
		since = newest
	}
}

// pageOfChanges is the most that identity answers at once.
const pageOfChanges = 1000

func (b *Book) apply(ctx context.Context, changes []*identityv1.AccessChange) error {
	ended := 0
	for _, change := range changes {
		user, err := uuid.Parse(strings.TrimPrefix(change.GetUser(), "users/"))
		if err != nil {
			continue
		}
		err = b.db.Global(ctx, func(tx pgx.Tx) error {
			n, err := b.end(ctx, tx, user, change)
			ended += n
			return err
		})
		if err != nil {
			return err
		}
	}
	if ended > 0 {
		b.Announce(ctx)
	}
	return nil
}

// end takes back what one change makes wrong.
func (b *Book) end(ctx context.Context, tx pgx.Tx, user uuid.UUID, change *identityv1.AccessChange) (int, error) {
	at := change.GetTime().AsTime()
	ended := 0
	if change.GetKind() != identityv1.AccessChange_PASSWORD {
		n, err := b.q.RevokeNew(ctx, tx, store.RevokeNewParams{Kind: Subject, ID: user.String(), Time: at})
		if err != nil {
			return 0, err
		}
		ended += int(n)
	}
	if change.GetKind() == identityv1.AccessChange_ROLES {
		return ended, nil
	}
	if change.GetKind() == identityv1.AccessChange_REMOVED {
		if err := b.q.DeleteConsentsOfUser(ctx, tx, store.DeleteConsentsOfUserParams{UserID: user, Before: at}); err != nil {
			return 0, err
		}
	}
	if change.GetKind() == identityv1.AccessChange_PASSWORD {
		at = at.Add(-clockSlack)
	}
	n, err := b.EndSignIns(ctx, tx, user, at)
	return ended + n, err
}
