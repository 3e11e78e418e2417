package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"gopkg.in/yaml.v3"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	"google.golang.org/protobuf/types/known/structpb"
)

// desired is what an apply file says. Only what is named is touched; nothing is ever deleted by leaving it out.
type desired struct {
	Organisation *struct {
		DisplayName string `yaml:"displayName"`
	} `yaml:"organisation"`
	Roles []struct {
		ID          string   `yaml:"id"`
		Title       string   `yaml:"title"`
		Permissions []string `yaml:"permissions"`
	} `yaml:"roles"`
	// Clients are known by their title.
	Clients []struct {
		Title        string   `yaml:"title"`
		Kind         string   `yaml:"kind"`
		RedirectURIs []string `yaml:"redirectUris"`
		Scopes       []string `yaml:"scopes"`
	} `yaml:"clients"`
	Datasets []struct {
		ID     string         `yaml:"id"`
		Title  string         `yaml:"title"`
		Key    []string       `yaml:"key"`
		Schema map[string]any `yaml:"schema"`
	} `yaml:"datasets"`
}

// change is one line of the diff and what it takes to make it true.
type change struct {
	line string
	do   func(ctx context.Context) (note string, err error)
}

func applyCommand(c *cli) *cobra.Command {
	var file string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make organisation, roles, clients and datasets what a YAML file says; shows the difference first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			want, err := readDesired(file, c.stdin)
			if err != nil {
				return err
			}
			house, err := c.api()
			if err != nil {
				return err
			}
			changes, err := house.diff(cmd.Context(), want)
			if err != nil {
				return err
			}
			if len(changes) == 0 {
				fmt.Fprintln(c.stdout, "nothing to change")
				return nil
			}
			for _, ch := range changes {
				fmt.Fprintln(c.stdout, ch.line)
			}
			if dryRun {
				return nil
			}
			for _, ch := range changes {
				note, err := ch.do(cmd.Context())
				if err != nil {
					return fmt.Errorf("%s: %w", strings.TrimSpace(ch.line), err)
				}
				if note != "" {
					fmt.Fprintln(c.stdout, note)
				}
			}
			fmt.Fprintf(c.stdout, "%d changed\n", len(changes))
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the YAML file; - reads standard input")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show the difference")
	_ = cmd.MarkFlagRequired("file")
	return cmd
}

func readDesired(file string, stdin io.Reader) (*desired, error) {
	var raw []byte
	var err error
	if file == "-" {
		raw, err = io.ReadAll(stdin)
	} else {
		raw, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	want := &desired{}
	if err := decoder.Decode(want); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: is empty; it may have organisation, roles, clients, datasets", file)
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return want, nil
}

// diff compares the file with the house, in the order in which the changes must be made.
func (a *api) diff(ctx context.Context, want *desired) ([]change, error) {
	var all []change
	for _, part := range []func(context.Context, *desired) ([]change, error){a.diffOrganisation, a.diffRoles, a.diffDatasets, a.diffClients} {
		changes, err := part(ctx, want)
		if err != nil {
			return nil, err
		}
		all = append(all, changes...)
	}
	return all, nil
}

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

func (a *api) diffDatasets(ctx context.Context, want *desired) ([]change, error) {
	if len(want.Datasets) == 0 {
		return nil, nil
	}
	have := map[string]*recordsv1.Dataset{}
	for token := ""; ; {
		page, err := a.records.ListDatasets(ctx, &recordsv1.ListDatasetsRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, err
		}
		for _, d := range page.GetDatasets() {
			have[d.GetName()] = d
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	var changes []change
	for _, w := range want.Datasets {
		if d := have["datasets/"+w.ID]; d != nil {
			if d.GetTitle() != w.Title {
				changes = append(changes, change{
					line: fmt.Sprintf("~ dataset %s: title %q -> %q", w.ID, d.GetTitle(), w.Title),
					do: func(ctx context.Context) (string, error) {
						_, err := a.records.UpdateDataset(ctx, &recordsv1.UpdateDatasetRequest{
							Dataset: &recordsv1.Dataset{Name: d.GetName(), Title: w.Title}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"title"}},
						})
						return "", err
					},
				})
			}
			continue
		}
		schema, err := structpb.NewStruct(w.Schema)
		if err != nil {
			return nil, fmt.Errorf("datasets.%s.schema: %w", w.ID, err)
		}
		changes = append(changes, change{
			line: fmt.Sprintf("+ dataset %s: key %s", w.ID, strings.Join(w.Key, " ")),
			do: func(ctx context.Context) (string, error) {
				_, err := a.records.CreateDataset(ctx, &recordsv1.CreateDatasetRequest{
					DatasetId: w.ID, Dataset: &recordsv1.Dataset{Title: w.Title, Key: w.Key, Schema: schema},
				})
				return "", err
			},
		})
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
