package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/microservicehub/mshub/internal/config"
)

func configCommand(c *cli) *cobra.Command {
	var roles string
	check := &cobra.Command{
		Use:   "check",
		Short: "Report every fault of the configuration at once",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			all := newRoomSettings()
			if err := config.Load(c.environ, all.list()...); err != nil {
				return fmt.Errorf("the configuration has faults:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
			}
			if roles != "" {
				chosen, err := parseRoles(roles)
				if err != nil {
					return err
				}
				if err := all.house.complete(chosen); err != nil {
					return fmt.Errorf("the configuration has faults:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
				}
			}
			_, err := fmt.Fprintln(c.stdout, "the configuration is good")
			return err
		},
	}
	check.Flags().StringVar(&roles, "roles", "", "check what serving these roles needs, too")
	cmd := &cobra.Command{Use: "config", Short: "Look at the configuration"}
	cmd.AddCommand(check)
	return cmd
}

// parseRoles reads a comma-separated list; "all" is every role.
func parseRoles(list string) ([]string, error) {
	if list == "all" {
		return roleNames(), nil
	}
	var chosen []string
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(roleNames(), name) {
			return nil, fmt.Errorf("--roles: %q is no role; there are %s", name, strings.Join(roleNames(), ", "))
		}
		chosen = append(chosen, name)
	}
	return chosen, nil
}
