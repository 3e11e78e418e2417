package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/protocol"
)

// storedRequest is a request as it lies in a row. Fields are added, never renamed: a row outlives a release.
type storedRequest struct {
	ID             string            `json:"id"`
	RequestedAt    time.Time         `json:"requestedAt"`
	RequestedScope []string          `json:"requestedScope"`
	GrantedScope   []string          `json:"grantedScope"`
	Form           url.Values        `json:"form"`
	Session        *protocol.Session `json:"session"`
}

func encodeRequest(r fosite.Requester) ([]byte, *protocol.Session, error) {
	session, ok := r.GetSession().(*protocol.Session)
	if !ok {
		return nil, nil, fmt.Errorf("a request carries a %T instead of a session", r.GetSession())
	}
	raw, err := json.Marshal(storedRequest{
		ID:             r.GetID(),
		RequestedAt:    r.GetRequestedAt(),
		RequestedScope: r.GetRequestedScopes(),
		GrantedScope:   r.GetGrantedScopes(),
		Form:           r.GetRequestForm(),
		Session:        session,
	})
	return raw, session, err
}

// decodeRequest reads a row; the client is read anew, so that a changed one counts.
func (s *Store) decodeRequest(ctx context.Context, raw []byte, clientID string) (*fosite.Request, error) {
	var stored storedRequest
	if err := json.Unmarshal(raw, &stored); err != nil {
		return nil, fmt.Errorf("a stored request: %w", err)
	}
	client, err := s.Client(ctx, clientID)
	if err != nil {
		return nil, err
	}
	r := fosite.NewRequest()
	r.ID = stored.ID
	r.RequestedAt = stored.RequestedAt
	r.Client = client
	r.RequestedScope = stored.RequestedScope
	r.GrantedScope = stored.GrantedScope
	r.Form = stored.Form
	r.Session = stored.Session
	return r, nil
}
