package identity

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

// How guessing is slowed down. Failures are counted for an account and a network address together: after a few, that
// address waits twice as long after each. Guesses at one account from many addresses slow all addresses down but those
// from which its owner signed in before: nobody can lock the owner out. Unknown accounts are counted the same way.
const (
	freeFailures    = 5
	longestWait     = 5 * time.Minute
	accountFailures = 50 // in failuresCount, from all addresses
	accountWait     = 30 * time.Second
	failuresCount   = time.Hour
	ownerKnown      = 90 * 24 * time.Hour
)

// VerifyCredentials answers the same, after the same work, to a wrong password and an unknown address.
func (s *Service) VerifyCredentials(ctx context.Context, req *identityv1.VerifyCredentialsRequest) (*identityv1.VerifyCredentialsResponse, error) {
	attempt := store.CountFailureParams{Account: account(req.GetEmail()), RemoteAddress: network(req.GetRemoteAddress())}
	found, right, err := s.try(ctx, attempt, req)
	if err != nil {
		return nil, err
	}
	ok := right && found.User.State == stateActive && found.User.EmailVerified
	err = s.db.Global(ctx, func(tx pgx.Tx) error {
		now := s.now()
		if !ok {
			lately := now.Add(-failuresCount)
			attempt.Now, attempt.Lately = &now, &lately
			return s.q.CountFailure(ctx, tx, attempt)
		}
		if err := s.q.SetSignedIn(ctx, tx, store.SetSignedInParams{ID: found.User.ID, SignedInAt: &now}); err != nil {
			return err
		}
		return s.q.CountSuccess(ctx, tx, store.CountSuccessParams{Account: attempt.Account, RemoteAddress: attempt.RemoteAddress, Now: &now})
	})
	if err != nil || !ok {
		return &identityv1.VerifyCredentialsResponse{}, err
	}
	return &identityv1.VerifyCredentialsResponse{User: wireUser(found.User, nil)}, nil
}

// try looks the account up and compares. It holds a hashing slot from before the counters are read, so at most as many
// guesses as there are slots can slip past them at once.
func (s *Service) try(ctx context.Context, attempt store.CountFailureParams, req *identityv1.VerifyCredentialsRequest) (store.AccountRow, bool, error) {
	var found store.AccountRow
	if err := s.hasher.acquire(ctx); err != nil {
		return found, false, err
	}
	defer s.hasher.release()
	now := s.now()
	err := s.db.Global(ctx, func(tx pgx.Tx) error {
		known, lately := now.Add(-ownerKnown), now.Add(-failuresCount)
		counters, err := s.q.SignInAttempts(ctx, tx, store.SignInAttemptsParams{
			Account: attempt.Account, RemoteAddress: attempt.RemoteAddress, KnownSince: &known, Lately: &lately,
		})
		if err != nil {
			return err
		}
		if left := wait(counters, now); left > 0 {
			return rpc.Exhausted(left, "too many failed attempts; try again in %s", left.Round(time.Second))
		}
		if found, err = s.q.Account(ctx, tx, normalise(req.GetEmail())); !isNotFound(err) {
			return err
		}
		return nil
	})
	if err != nil {
		return found, false, err
	}
	return found, verify(found.Secret, req.GetPassword()), nil
}

// wait is how long the next attempt has to wait; not positive = not at all.
func wait(c store.SignInAttemptsRow, now time.Time) time.Duration {
	var left time.Duration
	if over := int(c.Failures) - freeFailures; over >= 0 && now.Sub(c.FailedAt) < failuresCount {
		left = c.FailedAt.Add(min(time.Second<<min(over, 20), longestWait)).Sub(now)
	}
	if !c.Known && c.AccountFailures >= accountFailures {
		left = max(left, c.AccountFailedAt.Add(accountWait).Sub(now))
	}
	return left
}
