package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/testenv"
)

// stages are databases that were in use: how far each schema was migrated, and what was in it by then. A release that adds
// a migration adds a stage, so that the next one meets full tables.
var stages = []struct {
	rows string // of testdata/upgrade
	at   map[string]int
}{
	{"first.sql", map[string]int{"events": 1, "audit": 1, "identity": 1, "authserver": 1, "files": 1, "records": 1, "notify": 1, "runs": 1}},
	{"second.sql", map[string]int{"events": 3, "audit": 1, "identity": 3, "authserver": 1, "files": 1, "records": 4, "notify": 2, "runs": 4}},
	{"third.sql", map[string]int{"events": 3, "audit": 1, "identity": 3, "authserver": 2, "files": 1, "records": 4, "notify": 3, "runs": 6}},
}

// rewritten are columns whose values a migration changes on purpose, checked in TestUpgrade.
var rewritten = map[string][]string{"identity.roles": {"permissions"}}

// filled are tables to which a migration adds rows about what was there.
var filled = []string{"identity.roles", "runs.run_subject", "runs.task_vote"}

// TestUpgrade fills a database as each release left it and migrates on: no row is lost or changed, new columns say what
// they should of old rows, and the house goes on with them. It works alike for a superuser, and for a login without
// special powers that owns the schemas, which is what a managed server gives.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	for name, as := range map[string]func(*testing.T, *pgx.Conn, string) string{
		"superuser": func(_ *testing.T, _ *pgx.Conn, url string) string { return url },
		"owner":     asOwner,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := testenv.DatabaseURL(t)
			conn, err := pgx.Connect(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
			migrator := as(t, conn, address)
			var left []map[string][]map[string]any
			for _, stage := range stages {
				var schemasThen []postgres.Schema
				for _, s := range schemas() {
					schemasThen = append(schemasThen, cut(t, s, stage.at[s.Name]))
				}
				if err := postgres.Migrate(t.Context(), migrator, "", schemasThen...); err != nil {
					t.Fatalf("before %s: %v", stage.rows, err)
				}
				load(t, conn, stage.rows)
				left = append(left, tables(t, conn))
			}
			if err := postgres.Migrate(t.Context(), migrator, "", schemas()...); err != nil {
				t.Fatal(err)
			}
			if err := postgres.CheckVersion(t.Context(), address, schemas()...); err != nil {
				t.Error(err)
			}
			now := tables(t, conn)
			for i, then := range left {
				for table, rows := range then {
					if len(rows) == 0 {
						t.Errorf("%s: no row in %s, so nothing is known of its upgrade", stages[i].rows, table)
						continue
					}
					same(t, table, rows, now[table], i == len(left)-1)
				}
			}
			sensible(t, conn)
			db, err := postgres.Open(t.Context(), address, 4)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(db.Close)
			goesOn(t, db)
		})
	}
}

// asOwner makes a login that may create roles and schemas, and no more, and the address under which it migrates.
func asOwner(t *testing.T, conn *pgx.Conn, address string) string {
	t.Helper()
	name := "upgrade_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	prepare := fmt.Sprintf(`
		DROP SCHEMA mshub CASCADE; -- the login makes its own
		CREATE ROLE %[1]s CREATEROLE;
		DO $$ BEGIN
			EXECUTE format('GRANT CREATE ON DATABASE %%I TO %[1]s', current_database());
			IF current_setting('server_version_num')::integer >= 160000 THEN -- as if it had made the roles
				EXECUTE 'GRANT mshub_app, mshub_system TO %[1]s WITH ADMIN TRUE, INHERIT FALSE, SET FALSE';
			END IF;
		END $$`, name)
	if _, err := conn.Exec(t.Context(), prepare); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := conn.Exec(context.Background(), fmt.Sprintf("DROP OWNED BY %[1]s CASCADE; DROP ROLE %[1]s", name)); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("role", name) // a connection begins as this role
	u.RawQuery = query.Encode()
	return u.String()
}

// cut is a schema with its first migrations alone.
func cut(t *testing.T, s postgres.Schema, n int) postgres.Schema {
	t.Helper()
	names, err := fs.Glob(s.Migrations, "*.sql")
	if err != nil || n < 1 || n > len(names) {
		t.Fatalf("%s has %d migrations, the stage says %d (%v)", s.Name, len(names), n, err)
	}
	first := fstest.MapFS{}
	for _, name := range names[:n] {
		text, err := fs.ReadFile(s.Migrations, name)
		if err != nil {
			t.Fatal(err)
		}
		first[name] = &fstest.MapFile{Data: text}
	}
	return postgres.Schema{Name: s.Name, Migrations: first}
}

func load(t *testing.T, conn *pgx.Conn, name string) {
	t.Helper()
	text, err := os.ReadFile("testdata/upgrade/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), string(text)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// tables reads every row of every room, as a superuser.
func tables(t *testing.T, conn *pgx.Conn) map[string][]map[string]any {
	t.Helper()
	var rooms []string
	for _, s := range schemas() {
		rooms = append(rooms, s.Name)
	}
	found, err := conn.Query(t.Context(), `
		SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY ($1) AND c.relname <> 'goose_version'`, rooms)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]map[string]any{}
	for _, name := range names {
		var text []byte
		if err := conn.QueryRow(t.Context(), "SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]') FROM "+name+" t").Scan(&text); err != nil {
			t.Fatal(err)
		}
		var rows []map[string]any
		if err := json.Unmarshal(text, &rows); err != nil {
			t.Fatal(err)
		}
		all[name] = rows
	}
	return all
}

// same reports rows that are gone or changed in the columns that there still are, and, if nothing was loaded since, rows
// that came from nowhere.
func same(t *testing.T, table string, then, now []map[string]any, complete bool) {
	t.Helper()
	if len(now) == 0 {
		t.Errorf("%s lost all rows", table)
		return
	}
	var columns []string
	for _, column := range slices.Sorted(maps.Keys(then[0])) {
		if _, still := now[0][column]; still && !slices.Contains(rewritten[table], column) {
			columns = append(columns, column)
		}
	}
	texts := func(rows []map[string]any) []string {
		var all []string
		for _, row := range rows {
			part := make([]any, 0, len(columns))
			for _, column := range columns {
				part = append(part, row[column])
			}
			text, err := json.Marshal(part)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, string(text))
		}
		return all
	}
	have := texts(now)
	for _, row := range texts(then) {
		i := slices.Index(have, row)
		if i < 0 {
			t.Errorf("%s %v: %s is gone or changed", table, columns, row)
			continue
		}
		have = slices.Delete(have, i, i+1)
	}
	if complete && len(have) > 0 && !slices.Contains(filled, table) {
		t.Errorf("%s has rows that nobody wrote: %v", table, have)
	}
}
