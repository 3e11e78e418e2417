package main

import (
	"os"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// global tables have no tenant, each for a reason. Every other table must be behind the wall.
var global = map[string]string{
	"identity.users":            "a person is one person in all organisations",
	"identity.credentials":      "belongs to the person",
	"identity.sign_in_attempts": "counted before anybody is known",
	"identity.organisations":    "the tenants themselves",
	"identity.belongings":       "which organisations a person may choose from, before one is chosen",
	"identity.links":            "opened by whoever holds the mail",
	"identity.access_changes":   "what the authorization server reads, by person",
	"notify.captured":           "mail of one machine's /dev/mailbox",
	"records.document":          "COPY needs it; the organisation is in its key and privileges guard it (wall_test.go)",
	"authserver.session":        "a browser, before an organisation is chosen",
	"authserver.consent":        "a person's, for a client",
	"authserver.pushed_request": "of a client, before anybody signed in",
	"authserver.code":           "of a sign-in under way",
	"authserver.refresh_token":  "of a client",
	"authserver.signing_key":    "the installation's",
	"authserver.revocation":     "read by every node",
}

// TestCatalogue reads the database itself: no table is outside row-level security but those that have a reason, and the
// role that requests work as owns nothing and bypasses nothing.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	db := testenv.Postgres(t, schemas()...)
	var rooms []string
	for _, s := range schemas() {
		rooms = append(rooms, s.Name)
	}
	err := db.Global(t.Context(), func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), `
			SELECT n.nspname || '.' || c.relname, c.relrowsecurity AND c.relforcerowsecurity,
			       EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY ($1) AND c.relname <> 'goose_version'`, rooms)
		if err != nil {
			return err
		}
		var seen []string
		var name string
		var forced, policy bool
		_, err = pgx.ForEachRow(rows, []any{&name, &forced, &policy}, func() error {
			seen = append(seen, name)
			_, excused := global[name]
			switch {
			case excused && forced:
				t.Errorf("%s is behind the wall: take it off the list", name)
			case !excused && (!forced || !policy):
				t.Errorf("%s is outside row-level security, and no reason is given", name)
			}
			return nil
		})
		for name := range global {
			if !slices.Contains(seen, name) {
				t.Errorf("%s does not exist: take it off the list", name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Global(t.Context(), func(tx pgx.Tx) error {
		var super, bypass bool
		var owned int
		if err := tx.QueryRow(t.Context(), "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user").Scan(&super, &bypass); err != nil {
			return err
		}
		if err := tx.QueryRow(t.Context(), "SELECT count(*) FROM pg_class WHERE pg_get_userbyid(relowner) = current_user").Scan(&owned); err != nil {
			return err
		}
		if super || bypass || owned > 0 {
			t.Errorf("requests work as a role that is super (%v), bypasses the wall (%v), or owns %d tables", super, bypass, owned)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
