package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	authstore "github.com/microservicehub/mshub/authserver/store"
	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/postgres"
	audit "github.com/microservicehub/mshub/services/audit/store"
	files "github.com/microservicehub/mshub/services/files/store"
	identity "github.com/microservicehub/mshub/services/identity/store"
	notify "github.com/microservicehub/mshub/services/notify/store"
	records "github.com/microservicehub/mshub/services/records/store"
	runs "github.com/microservicehub/mshub/services/runs/store"
)

// schemas of all rooms, in the order in which they are migrated: what others call in their own transactions comes first.
func schemas() []postgres.Schema {
	return []postgres.Schema{
		events.Schema(), audit.Schema(), identity.Schema(), authstore.Schema(), files.Schema(), records.Schema(), notify.Schema(), runs.Schema(),
	}
}

func migrateCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Apply all migrations; safe to run twice and from several nodes at once",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set := &settings{}
			if err := config.Load(c.environ, set); err != nil {
				return err
			}
			if set.DatabaseURL == "" {
				return config.Fault("DATABASE_URL", "is not set: the PostgreSQL to migrate")
			}
			if err := migrate(cmd.Context(), set); err != nil {
				return err
			}
			_, err := fmt.Fprintln(c.stdout, "the database is up to date")
			return err
		},
	}
}

// migrate works as MSHUB_MIGRATE_DATABASE_URL, which may be a stronger user than the one of DATABASE_URL.
func migrate(ctx context.Context, set *settings) error {
	app, err := url.Parse(set.DatabaseURL.Reveal())
	if err != nil {
		return errors.New("DATABASE_URL: not a PostgreSQL address")
	}
	user := app.User.Username()
	if user == "" {
		if parsed, err := pgx.ParseConfig(set.DatabaseURL.Reveal()); err == nil {
			user = parsed.User
		}
	}
	return postgres.Migrate(ctx, cmp.Or(set.MigrateURL, set.DatabaseURL).Reveal(), user, schemas()...)
}
