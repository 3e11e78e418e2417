package session

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/microservicehub/mshub/authserver/access"
	"github.com/microservicehub/mshub/authserver/protocol"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

const (
	// Console is the client_id of the console's tokens.
	Console = "console"
	// maxBody bounds the request of /session/token.
	maxBody = 4 << 10
)

// consoleScopes: the console may do whatever the person may.
var consoleScopes = []string{protocol.OpenID, protocol.Profile, protocol.Email, protocol.Admin}

// TokenEndpoint serves POST /session/token.
type TokenEndpoint struct {
	Sessions *Manager
	Issuer   *access.Issuer
	Log      *slog.Logger
}

type tokenRequest struct {
	// Organisation is "organisations/ID"; empty for the one used last.
	Organisation string `json:"organisation"`
}

type tokenResponse struct {
	AccessToken  string `json:"accessToken"`
	TokenType    string `json:"tokenType"`
	ExpiresIn    int    `json:"expiresIn"` // seconds
	Organisation string `json:"organisation,omitempty"`
}

// ServeHTTP wants the cookie, our own Origin and a JSON content type: no other site's page can send that.
func (e *TokenEndpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	res, err := e.issue(w, r)
	if err != nil {
		auth.WriteError(connect.NewErrorWriter(), w, r, rpc.Public(r.Context(), e.Log, r.URL.Path, err))
		return
	}
	protocol.Answer(w, http.StatusOK, res)
}

func (e *TokenEndpoint) issue(w http.ResponseWriter, r *http.Request) (*tokenResponse, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, rpc.Invalid("Content-Type", "must be application/json")
	}
	if r.Header.Get("Origin") != e.Sessions.pages.Origin() {
		return nil, rpc.Denied("FOREIGN_ORIGIN", "only the console at %s may ask here", e.Sessions.pages.Origin())
	}
	var req tokenRequest
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	body.DisallowUnknownFields()
	if err := body.Decode(&req); err != nil && !errors.Is(err, io.EOF) {
		return nil, rpc.Invalid("body", `must be {} or {"organisation":"organisations/ID"}`)
	}
	organisation := uuid.Nil
	if req.Organisation != "" {
		id, err := uuid.Parse(strings.TrimPrefix(req.Organisation, "organisations/"))
		if err != nil || !strings.HasPrefix(req.Organisation, "organisations/") {
			return nil, rpc.Invalid("organisation", "is not the name of an organisation: organisations/ID")
		}
		organisation = id
	}
	ctx := r.Context()
	s, err := e.Sessions.Current(r)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, rpc.Unauthenticated("NO_SESSION", "nobody is signed in on this browser; sign in again")
	}
	person, err := e.Issuer.Of(ctx, s.UserID, organisation)
	switch {
	case errors.Is(err, access.ErrNoAccess) && organisation != uuid.Nil:
		return nil, rpc.NotFound("organisation", req.Organisation)
	case errors.Is(err, access.ErrNoAccess):
		return nil, rpc.Unauthenticated("NO_SESSION", "this account can't be used any more; ask an administrator")
	case err != nil:
		return nil, err
	}
	token, err := e.Issuer.Issue(ctx, access.Grant{
		Subject:      s.UserID.String(),
		Organisation: person.Organisation,
		Permissions:  person.Permissions,
		Roles:        person.Roles,
		Scopes:       consoleScopes,
		ClientID:     Console,
		Session:      s.ID.String(),
	})
	if err != nil {
		return nil, err
	}
	res := &tokenResponse{AccessToken: token.Value, TokenType: "Bearer", ExpiresIn: int(auth.TokenLifetime.Seconds())}
	if person.Organisation != uuid.Nil {
		res.Organisation = "organisations/" + person.Organisation.String()
	}
	return res, nil
}
