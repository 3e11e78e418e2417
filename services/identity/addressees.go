package identity

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

// ListAddressees finds the active members who are meant by "users/ID" and "roles/NAME", each once. Names of others
// (clients, people who left) are passed over, for a digest those who want none, and those who lack a permission that is asked.
func (s *Service) ListAddressees(ctx context.Context, req *identityv1.ListAddresseesRequest) (*identityv1.ListAddresseesResponse, error) {
	p := store.AddresseesParams{Users: []uuid.UUID{}, Roles: []string{}, Digest: req.GetDigest(), Permission: req.GetPermission()}
	for _, name := range req.GetConcerns() {
		if role, ok := strings.CutPrefix(name, "roles/"); ok {
			p.Roles = append(p.Roles, role)
		} else if id, err := userID(name); err == nil {
			p.Users = append(p.Users, id)
		}
	}
	res := &identityv1.ListAddresseesResponse{}
	err := s.read(ctx, func(tx pgx.Tx) error {
		rows, err := s.q.Addressees(ctx, tx, p)
		for _, row := range rows {
			to := addressee(row, req.GetConcerns())
			if req.GetDigest() {
				to.Unsubscribe = s.unsubscribeURL(row.ID, auth.From(ctx).Organisation)
			}
			res.Addressees = append(res.Addressees, to)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

func addressee(row store.AddresseesRow, concerns []string) *identityv1.ListAddresseesResponse_Addressee {
	a := &identityv1.ListAddresseesResponse_Addressee{User: userName(row.ID), Email: row.Email, DisplayName: row.DisplayName}
	for _, name := range concerns {
		role, isRole := strings.CutPrefix(name, "roles/")
		if name == a.GetUser() || isRole && slices.Contains(row.Roles, role) {
			a.Concerns = append(a.Concerns, name)
		}
	}
	return a
}
