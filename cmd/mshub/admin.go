package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
	"github.com/microservicehub/mshub/authserver/v1/authserverv1connect"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/lifecycle"
	"github.com/microservicehub/mshub/internal/rpc"
)

// adminCommand works on the machine itself: whoever can read the secret keys is the operator.
func adminCommand(c *cli) *cobra.Command {
	var data string
	cmd := &cobra.Command{Use: "admin", Short: "On the machine itself: first sign-in and automation"}
	cmd.PersistentFlags().StringVar(&data, "data", "", "the data directory of the running house (MSHUB_DATA)")
	cmd.AddCommand(adminLinkCommand(c, &data), adminClientCommand(c, &data))
	return cmd
}

func adminLinkCommand(c *cli, data *string) *cobra.Command {
	return &cobra.Command{
		Use:   "link",
		Short: "Print a one-time link with which a person becomes an administrator (valid 1 hour)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			bootstrap, _, err := c.bootstrap(*data)
			if err != nil {
				return err
			}
			res, err := bootstrap.CreateAdministratorLink(cmd.Context(), &authserverv1.CreateAdministratorLinkRequest{Force: true})
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(map[string]string{"link": res.GetLink()})
			}
			_, err = fmt.Fprintln(c.stdout, res.GetLink())
			return err
		},
	}
}

func adminClientCommand(c *cli, data *string) *cobra.Command {
	var scope, organisation string
	cmd := &cobra.Command{
		Use:   `client NAME --scope "runs:write records:write"`,
		Short: "Create a machine client; prints id and secret once",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			bootstrap, address, err := c.bootstrap(*data)
			if err != nil {
				return err
			}
			res, err := bootstrap.CreateMachineClient(cmd.Context(), &authserverv1.CreateMachineClientRequest{
				Title: args[0], Scopes: strings.Fields(scope), Organisation: organisation,
			})
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(map[string]string{"clientId": res.GetClientId(), "clientSecret": res.GetClientSecret()})
			}
			_, err = fmt.Fprintf(c.stdout, "MSHUB_URL=%s\nMSHUB_CLIENT_ID=%s\nMSHUB_CLIENT_SECRET=%s\n", address, res.GetClientId(), res.GetClientSecret())
			return err
		},
	}
	cmd.Flags().StringVar(&scope, "scope", "", "what it may do, separated by spaces")
	cmd.Flags().StringVar(&organisation, "organisation", "", "organisations/ID; the first one by default")
	_ = cmd.MarkFlagRequired("scope")
	return cmd
}

// bootstrap connects to the running house as its operator, with a token made from the secret keys.
func (c *cli) bootstrap(data string) (client authserverv1connect.BootstrapServiceClient, address string, err error) {
	dir := c.dataDir(data)
	set := &settings{}
	if err := config.Load(c.environ, set); err != nil {
		return nil, "", err
	}
	keys, err := set.keys(dir, false)
	if errors.Is(err, os.ErrNotExist) {
		return nil, "", fmt.Errorf("no secret keys in %s: name the data directory with --data, or set MSHUB_SECRET_KEYS", dir)
	}
	if err != nil {
		return nil, "", err
	}
	address = cmp.Or(c.environ["MSHUB_URL"], runningAddress(dir), set.Peers.Authserver, set.PublicURL, defaultURL)
	transport := rpc.HTTPClient()
	source := auth.ServiceTokenSource(transport, address+"/oauth2/token", keys, "operator")
	return authserverv1connect.NewBootstrapServiceClient(transport, address, connect.WithInterceptors(auth.Bearer(source, time.Now))), address, nil
}

// runningAddress reads where the `mshub up` of this directory listens.
func runningAddress(dir string) string {
	raw, err := os.ReadFile(filepath.Join(dir, "mshub.lock"))
	if err != nil {
		return ""
	}
	var owner lifecycle.Owner
	if json.Unmarshal(raw, &owner) != nil {
		return ""
	}
	return owner.Address
}
