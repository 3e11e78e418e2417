package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

func (a *api) diffOrganisation(ctx context.Context, want *desired) ([]change, error) {
	if want.Organisation == nil {
		return nil, nil
	}
	me, err := a.people.GetMe(ctx, &identityv1.GetMeRequest{})
	if err != nil {
		return nil, err
	}
	have, name := me.GetOrganisation(), want.Organisation.DisplayName
	if have.GetDisplayName() == name {
		return nil, nil
	}
	return []change{{
		line: fmt.Sprintf("~ organisation: displayName %q -> %q", have.GetDisplayName(), name),
		do: func(ctx context.Context) (string, error) {
			_, err := a.people.UpdateOrganisation(ctx, &identityv1.UpdateOrganisationRequest{
				Organisation: &identityv1.Organisation{Name: have.GetName(), DisplayName: name},
				UpdateMask:   &fieldmaskpb.FieldMask{Paths: []string{"display_name"}},
			})
			return "", err
		},
	}}, nil
}

func (a *api) diffRoles(ctx context.Context, want *desired) ([]change, error) {
	if len(want.Roles) == 0 {
		return nil, nil
	}
	list, err := a.people.ListRoles(ctx, &identityv1.ListRolesRequest{})
	if err != nil {
		return nil, err
	}
	var changes []change
	for _, w := range want.Roles {
		role := &identityv1.Role{Name: "roles/" + w.ID, Title: w.Title, Permissions: w.Permissions}
		i := slices.IndexFunc(list.GetRoles(), func(r *identityv1.Role) bool { return r.GetName() == role.GetName() })
		switch {
		case i < 0:
			changes = append(changes, change{
				line: fmt.Sprintf("+ role %s: %s", w.ID, strings.Join(w.Permissions, " ")),
				do: func(ctx context.Context) (string, error) {
					_, err := a.people.CreateRole(ctx, &identityv1.CreateRoleRequest{RoleId: w.ID, Role: role})
					return "", err
				},
			})
		case list.GetRoles()[i].GetTitle() != w.Title || !sameSet(list.GetRoles()[i].GetPermissions(), w.Permissions):
			changes = append(changes, change{
				line: fmt.Sprintf("~ role %s: %s -> %s", w.ID, strings.Join(list.GetRoles()[i].GetPermissions(), " "), strings.Join(w.Permissions, " ")),
				do: func(ctx context.Context) (string, error) {
					_, err := a.people.UpdateRole(ctx, &identityv1.UpdateRoleRequest{Role: role, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"title", "permissions"}}})
					return "", err
				},
			})
		}
	}
	return changes, nil
}

func (a *api) diffClients(ctx context.Context, want *desired) ([]change, error) {
	if len(want.Clients) == 0 {
		return nil, nil
	}
	list, err := a.clients.ListClients(ctx, &authserverv1.ListClientsRequest{PageSize: 1000})
	if err != nil {
		return nil, err
	}
	var changes []change
	for _, w := range want.Clients {
		kind, ok := authserverv1.Client_Kind_value[w.Kind]
		if !ok || kind == 0 {
			return nil, fmt.Errorf("clients.%s.kind: %q is none of MACHINE, CONFIDENTIAL, PUBLIC", w.Title, w.Kind)
		}
		client := &authserverv1.Client{Title: w.Title, Kind: authserverv1.Client_Kind(kind), RedirectUris: w.RedirectURIs, Scopes: w.Scopes}
		i := slices.IndexFunc(list.GetClients(), func(c *authserverv1.Client) bool { return c.GetTitle() == w.Title })
		switch {
		case i < 0:
			changes = append(changes, change{
				line: fmt.Sprintf("+ client %s (%s): %s", w.Title, w.Kind, strings.Join(w.Scopes, " ")),
				do: func(ctx context.Context) (string, error) {
					made, err := a.clients.CreateClient(ctx, &authserverv1.CreateClientRequest{Client: client})
					if err != nil || made.GetClientSecret() == "" {
						return "", err
					}
					return fmt.Sprintf("  client %s: id %s, secret %s (shown only now)", w.Title, made.GetClientId(), made.GetClientSecret()), nil
				},
			})
		case !sameSet(list.GetClients()[i].GetScopes(), w.Scopes) || !sameSet(list.GetClients()[i].GetRedirectUris(), w.RedirectURIs):
			client.Name = list.GetClients()[i].GetName()
			changes = append(changes, change{
				line: fmt.Sprintf("~ client %s: %s -> %s", w.Title, strings.Join(list.GetClients()[i].GetScopes(), " "), strings.Join(w.Scopes, " ")),
				do: func(ctx context.Context) (string, error) {
					_, err := a.clients.UpdateClient(ctx, &authserverv1.UpdateClientRequest{Client: client, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"scopes", "redirect_uris"}}})
					return "", err
				},
			})
		}
	}
	return changes, nil
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
