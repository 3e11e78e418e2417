package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	authserverv1 "github.com/microservicehub/mshub/authserver/v1"
	"github.com/microservicehub/mshub/authserver/v1/authserverv1connect"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/lifecycle"
)

// lockPatience is how long the children of a killed predecessor may take to end.
const lockPatience = 20 * time.Second

func upCommand(c *cli) *cobra.Command {
	var data, listen string
	var abandon bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the whole house in one process, with embedded engines for whatever is not configured",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.up(cmd.Context(), c.dataDir(data), listen, abandon)
		},
	}
	cmd.Flags().StringVar(&data, "data", "", "data directory (MSHUB_DATA)")
	cmd.Flags().StringVar(&listen, "listen", "", "address to serve on (MSHUB_LISTEN, localhost:8080)")
	cmd.Flags().BoolVar(&abandon, "abandon", false, "start although a new Temporal can't go on with open runs")
	return cmd
}

func (c *cli) up(ctx context.Context, dir, listen string, abandon bool) error {
	rooms := newRoomSettings()
	if err := config.Load(c.environ, rooms.list()...); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("the data directory: %w", err)
	}
	lock, err := lifecycle.AcquireLock(dir, lockPatience)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	set := rooms.house
	keys, err := set.keys(dir, true)
	if err != nil {
		return err
	}
	set.Listen = cmp.Or(listen, set.Listen, "localhost:8080")
	set.OpsListen = cmp.Or(set.OpsListen, "127.0.0.1:9464")
	set.TemporalUIListen = cmp.Or(set.TemporalUIListen, "127.0.0.1:8233")
	h := &house{set: set, rooms: rooms, keys: keys, roles: roleNames(), data: dir, up: true}
	e := &engines{set: set, dir: dir, lock: lock, abandon: abandon}
	return c.operate(ctx, h, e, func(r ready) {
		_ = lock.SetAddress(r.url)
		c.announce(ctx, h, e, r)
	})
}

// announce prints where everything is, and how the first person gets in. The line that begins with "ready on" is last but
// for what belongs to it: scripts wait for it.
func (c *cli) announce(ctx context.Context, h *house, e *engines, r ready) {
	link, err := h.firstLink(ctx)
	if err != nil && !errors.Is(err, context.Canceled) {
		h.log.Error("no link for the first administrator could be made; try `mshub admin link`", "error", err)
	}
	out := c.stdout
	indent(out, "console", r.url)
	indent(out, "API reference", r.url+"/docs")
	if e.temporal != nil {
		indent(out, "Temporal", e.temporal.UIURL())
	}
	if h.rooms.notify.SMTPURL == "" {
		indent(out, "mailbox", r.url+"/dev/mailbox")
	}
	indent(out, "metrics", r.ops+"/metrics")
	if link != "" {
		fmt.Fprintf(out, "  first administrator (one-time link, valid 1 hour):\n    %s\n", link)
	}
	fmt.Fprintf(out, "ready on %s\n", r.url)
}

// firstLink is empty once there is an administrator.
func (h *house) firstLink(ctx context.Context) (string, error) {
	options, err := h.service("operator")
	if err != nil {
		return "", err
	}
	transport, base := h.peer("authserver")
	res, err := authserverv1connect.NewBootstrapServiceClient(transport, base, options...).
		CreateAdministratorLink(ctx, &authserverv1.CreateAdministratorLinkRequest{})
	return res.GetLink(), err
}
