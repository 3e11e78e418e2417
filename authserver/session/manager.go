package session

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/authserver/page"
	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/authserver/revocation"
	"github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
)

const (
	cookie = "mshub"
	// touchAfter bounds how often a session's use is written down.
	touchAfter = time.Minute
	// maxUserAgent bounds what a browser says about itself.
	maxUserAgent = 300
)

// Manager keeps sessions. Safe for concurrent use.
type Manager struct {
	db    *postgres.DB
	q     *store.Queries
	book  *revocation.Book
	pages *page.Pages
	// idle ends a session that is not used; absolute ends it however much it is used.
	idle, absolute time.Duration
	now            func() time.Time
}

// NewManager returns a manager of the sessions in db.
func NewManager(db *postgres.DB, book *revocation.Book, pages *page.Pages, idle, absolute time.Duration, now func() time.Time) *Manager {
	return &Manager{db: db, q: store.New(), book: book, pages: pages, idle: idle, absolute: absolute, now: now}
}

// Start signs a person in on this browser: always a new session, and the one that the browser had before ends, so that
// a cookie planted earlier is worth nothing.
func (m *Manager) Start(w http.ResponseWriter, r *http.Request, user uuid.UUID) error {
	ctx := actAs(r.Context(), r, user)
	old, err := m.find(ctx, r)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	secret := protocol.RandomSecret()
	now := m.now()
	err = m.db.Global(ctx, func(tx pgx.Tx) error {
		if old != nil {
			if err := m.end(ctx, tx, *old); err != nil {
				return err
			}
		}
		err := m.q.CreateSession(ctx, tx, store.CreateSessionParams{
			ID:            id,
			SecretHash:    protocol.Hash(secret),
			UserID:        user,
			RemoteAddress: auth.RemoteAddress(r.RemoteAddr),
			UserAgent:     cut(r.UserAgent(), maxUserAgent),
			Now:           now,
			ExpiresAt:     now.Add(m.absolute),
		})
		if err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{Action: "authserver/SignIn", Target: "sessions/" + id.String()})
	})
	if err != nil {
		return err
	}
	if old != nil {
		m.book.Announce(ctx)
	}
	m.pages.SetCookie(w, cookie, secret, int(m.absolute/time.Second))
	return nil
}

// Current returns the session of the browser, nil if it has none that still lives.
func (m *Manager) Current(r *http.Request) (*store.Session, error) {
	ctx := r.Context()
	s, err := m.find(ctx, r)
	if err != nil || s == nil {
		return nil, err
	}
	now := m.now()
	if !now.Before(s.ExpiresAt) || !now.Before(s.UsedAt.Add(m.idle)) {
		return nil, nil //nolint:nilnil // nobody signed in is no error
	}
	if now.Sub(s.UsedAt) >= touchAfter {
		err = m.db.Global(ctx, func(tx pgx.Tx) error {
			return m.q.TouchSession(ctx, tx, store.TouchSessionParams{ID: s.ID, UsedAt: now})
		})
	}
	return s, err
}

// End signs the person out on this browser. Without a session there is nothing to end.
func (m *Manager) End(w http.ResponseWriter, r *http.Request) error {
	s, err := m.find(r.Context(), r)
	if err != nil {
		return err
	}
	m.pages.SetCookie(w, cookie, "", -1)
	if s == nil {
		return nil
	}
	ctx := actAs(r.Context(), r, s.UserID)
	if err := m.db.Global(ctx, func(tx pgx.Tx) error { return m.end(ctx, tx, *s) }); err != nil {
		return err
	}
	m.book.Announce(ctx)
	return nil
}

// EndAll ends every session of a user and every family of tokens that third parties hold: after a new password.
func (m *Manager) EndAll(r *http.Request, user uuid.UUID) error {
	ctx := actAs(r.Context(), r, user)
	err := m.db.Global(ctx, func(tx pgx.Tx) error {
		n, err := m.book.EndSignIns(ctx, tx, user, m.now())
		if err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Entry{
			Action: "authserver/EndAllSessions", Target: "users/" + user.String(), Before: map[string]any{"ended": n},
		})
	})
	if err != nil {
		return err
	}
	m.book.Announce(ctx)
	return nil
}

func (m *Manager) end(ctx context.Context, tx pgx.Tx, s store.Session) error {
	n, err := m.q.DeleteSession(ctx, tx, store.DeleteSessionParams{ID: s.ID, UserID: s.UserID})
	if err != nil || n == 0 {
		return err
	}
	if err := m.book.Add(ctx, tx, revocation.Session, s.ID.String()); err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{Action: "authserver/SignOut", Target: "sessions/" + s.ID.String()})
}

// find returns the session that the cookie names, expired or not.
func (m *Manager) find(ctx context.Context, r *http.Request) (*store.Session, error) {
	c, err := r.Cookie(m.pages.CookieName(cookie))
	if err != nil || c.Value == "" {
		return nil, nil //nolint:nilerr,nilnil // no cookie is no session, and that is no error
	}
	var s store.Session
	err = m.db.Global(ctx, func(tx pgx.Tx) (err error) {
		s, err = m.q.GetSession(ctx, tx, protocol.Hash(c.Value))
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // nobody signed in is no error
	}
	if err != nil {
		return nil, err
	}
	return &s, nil
}

// actAs puts the person into the context, for the audit: pages have no token that would.
func actAs(ctx context.Context, r *http.Request, user uuid.UUID) context.Context {
	return auth.With(ctx, auth.Caller{
		Kind: auth.User, User: user, Actor: "users/" + user.String(), RemoteAddress: auth.RemoteAddress(r.RemoteAddr),
	})
}

func cut(s string, n int) string {
	return strings.ToValidUTF8(s[:min(len(s), n)], "")
}
