package identity

import (
	"strings"

	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/rpc"
)

// Names of the room's resources.

func userName(id uuid.UUID) string         { return "users/" + id.String() }
func organisationName(id uuid.UUID) string { return "organisations/" + id.String() }
func membershipName(id uuid.UUID) string   { return "memberships/" + id.String() }
func invitationName(id uuid.UUID) string   { return "invitations/" + id.String() }
func roleName(slug string) string          { return "roles/" + slug }

func userID(name string) (uuid.UUID, error)       { return parseID("user", "users", name) }
func membershipID(name string) (uuid.UUID, error) { return parseID("membership", "memberships", name) }
func invitationID(name string) (uuid.UUID, error) { return parseID("invitation", "invitations", name) }
func organisationID(name string) (uuid.UUID, error) {
	return parseID("organisation", "organisations", name)
}

// roleSlug reads "roles/SLUG" and, as roles stand in lists, the bare slug.
func roleSlug(name string) string { return strings.TrimPrefix(name, "roles/") }

// parseID reads "users/UUID". A name that can't exist is not found.
func parseID(kind, collection, name string) (uuid.UUID, error) {
	text, ok := strings.CutPrefix(name, collection+"/")
	id, err := uuid.Parse(text)
	if !ok || err != nil || len(text) != 36 {
		return uuid.Nil, rpc.NotFound(kind, name)
	}
	return id, nil
}
