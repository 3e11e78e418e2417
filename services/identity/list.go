package identity

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/identity/store"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

// filterColumns of ListUsers.
var filterColumns = map[string]filter.Column{
	"email":       {Type: filter.Text, SQL: "u.email_norm"},
	"displayName": {Type: filter.Text, SQL: "u.display_name"},
	"state":       {Type: filter.Text, SQL: "u.state", Convert: userState},
	"roles":       {Type: filter.TextArray, SQL: "m.roles"},
	"createTime":  {Type: filter.Time, SQL: "u.created_at"},
	"signInTime":  {Type: filter.Time, SQL: "u.signed_in_at"},
}

func userState(text string) (any, error) {
	if v := identityv1.User_State_value[strings.ToUpper(text)]; v == 0 {
		return nil, errors.New("use INVITED, ACTIVE or DISABLED")
	}
	return strings.ToUpper(text), nil
}

// orderColumns of ListUsers.
var orderColumns = map[string]filter.Column{
	"email":       {Type: filter.Text, SQL: `u.email_norm COLLATE "C"`},
	"displayName": {Type: filter.Text, SQL: `lower(u.display_name) COLLATE "C"`},
	"createTime":  {Type: filter.Time, SQL: "u.created_at"},
}

// ListUsers pages through the members of the active organisation, by e-mail unless told otherwise. People who were
// invited and have no membership yet are in ListInvitations.
func (s *Service) ListUsers(ctx context.Context, req *identityv1.ListUsersRequest) (*identityv1.ListUsersResponse, error) {
	size := postgres.PageSize(req.GetPageSize())
	expr, err := filter.Parse(req.GetFilter())
	if err != nil {
		return nil, err
	}
	listing := store.Listing{Limit: size + 1}
	if listing.Where, listing.Args, err = filter.SQL(expr, filterColumns, 1); err != nil {
		return nil, err
	}
	order, desc, err := filter.Order(req.GetOrderBy(), orderColumns)
	if err != nil {
		return nil, err
	}
	if order == "" {
		order = "email"
	}
	listing.Order, listing.Desc, listing.Type = orderColumns[order].SQL, desc, "text"
	if orderColumns[order].Type == filter.Time {
		listing.Type = "timestamptz"
	}
	if req.GetPageToken() != "" {
		if listing.After, err = decodePlace(req.GetPageToken(), order); err != nil {
			return nil, err
		}
	}
	var rows []store.ListedUser
	err = s.read(ctx, func(tx pgx.Tx) (err error) {
		rows, err = store.ListUsers(ctx, tx, listing)
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &identityv1.ListUsersResponse{}
	if len(rows) > size {
		rows = rows[:size]
		last := rows[size-1]
		res.NextPageToken = postgres.EncodePage(order, last.Key, last.ID)
	}
	for _, row := range rows {
		res.Users = append(res.Users, wireUser(row.User, row.Roles))
	}
	return res, nil
}

// decodePlace reads a page token. It names its order too, so that one of another order is refused.
func decodePlace(token, order string) (*store.Place, error) {
	var was string
	var place store.Place
	if err := postgres.DecodePage(token, &was, &place.Key, &place.ID); err != nil {
		return nil, err
	}
	if was != order {
		return nil, rpc.Invalid("pageToken", "belongs to the order by %s; start again without it", was)
	}
	return &place, nil
}
