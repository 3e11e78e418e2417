package protocol_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/ory/fosite"

	"github.com/microservicehub/mshub/authserver/protocol"
)

// golden is how a session lies in the rows of codes and refresh tokens. A release reads what the one before wrote, so
// this text only ever gets company.
const golden = `{"subject":"0198c0de-0000-7000-8000-000000000001","user":"0198c0de-0000-7000-8000-000000000001","organisation":"0198c0de-0000-7000-8000-000000000002","scopes":["openid","records:read"],"authTime":"2026-11-22T10:00:00Z","requestedAt":"2026-11-22T10:00:01Z","familyExpiresAt":"2027-02-20T10:00:02Z","expiresAt":{"authorize_code":"2026-11-22T10:01:01Z"}}`

func TestSessionsAreReadByTheNextRelease(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	want := &protocol.Session{
		Subject:         "0198c0de-0000-7000-8000-000000000001",
		User:            uuid.MustParse("0198c0de-0000-7000-8000-000000000001"),
		Organisation:    uuid.MustParse("0198c0de-0000-7000-8000-000000000002"),
		Scopes:          []string{"openid", "records:read"},
		AuthTime:        at,
		RequestedAt:     at.Add(time.Second),
		FamilyExpiresAt: at.Add(90*24*time.Hour + 2*time.Second),
		ExpiresAt:       map[fosite.TokenType]time.Time{fosite.AuthorizeCode: at.Add(61 * time.Second)},
	}
	var got protocol.Session
	if err := json.Unmarshal([]byte(golden), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, &got); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(golden, string(raw)); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	s := &protocol.Session{Subject: "a", Scopes: []string{"openid"}, ExpiresAt: map[fosite.TokenType]time.Time{}, Permissions: []string{"*"}}
	s.IDTokenClaims().Nonce = "n"
	c, ok := s.Clone().(*protocol.Session)
	if !ok {
		t.Fatal("another type")
	}
	c.Scopes[0] = "changed"
	c.SetExpiresAt(fosite.RefreshToken, time.Now())
	if s.Scopes[0] != "openid" || len(s.ExpiresAt) != 0 {
		t.Error("a clone's change is seen in the original")
	}
	if c.Permissions != nil || c.IDTokenClaims().Nonce != "" {
		t.Error("a clone carries on what must be asked anew")
	}
}
