package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
)

func digestCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:       "digest [on|off]",
		Short:     "Show whether the daily mail of what waits comes to you, or have it or not",
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []string{"on", "off"},
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			var me *identityv1.GetMeResponse
			if len(args) == 0 {
				me, err = house.people.GetMe(cmd.Context(), &identityv1.GetMeRequest{})
			} else {
				me, err = house.people.UpdateMe(cmd.Context(), &identityv1.UpdateMeRequest{Digest: new(args[0] == "on")})
			}
			if err != nil {
				return err
			}
			return c.print(me, func(w io.Writer) {
				state := "off"
				if me.GetDigest() {
					state = "on"
				}
				fmt.Fprintf(w, "the digest of %s is %s\n", me.GetOrganisation().GetDisplayName(), state)
			})
		},
	}
}
