package temporal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// checkPin guards the database against a server of another version: the SQLite store has neither schema upgrades nor a
// version check of its own, so the file and the server must match.
func checkPin(ctx context.Context, cfg DevServerConfig, bin binary) error {
	if cfg.Dir == "" {
		return nil
	}
	database := filepath.Join(cfg.Dir, databaseName)
	if _, err := os.Stat(database); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(cfg.Dir, pinName))
	if errors.Is(err, os.ErrNotExist) { // it never came up: the file may be half made, and nothing is in it
		return moveDatabase(database, "")
	}
	if err != nil {
		return err
	}
	made := strings.TrimSpace(string(text))
	if made == bin.server {
		return nil
	}
	if !cfg.Abandon {
		var open []string
		if cfg.OpenRuns != nil {
			if open, err = cfg.OpenRuns(ctx); err != nil {
				return fmt.Errorf("look for open runs: %w", err)
			}
		}
		if len(open) > 0 || cfg.OpenRuns == nil {
			return &PinError{Made: made, Now: bin.server, Path: bin.path, Open: open}
		}
	}
	return moveDatabase(database, ".of-"+made)
}

// PinError tells that the workflow database was made by another version of the server, and runs depend on it.
type PinError struct {
	Made, Now string   // versions of the server
	Path      string   // of the server that was to be started
	Open      []string // runs that have not ended
}

func (e *PinError) Error() string {
	text := fmt.Sprintf("the workflow database was made by Temporal server %s, and %s is server %s, which cannot take it over", e.Made, e.Path, e.Now)
	if len(e.Open) > 0 {
		shown, more := e.Open, ""
		if len(shown) > 10 {
			shown, more = shown[:10], fmt.Sprintf(" and %d more", len(e.Open)-10)
		}
		text += fmt.Sprintf("; these runs have not ended: %s%s", strings.Join(shown, ", "), more)
	}
	return text + fmt.Sprintf(". Let them end with server %s (name it in MSHUB_TEMPORAL_BIN), or start with --abandon: open runs are then marked lost and can be retried", e.Made)
}

// moveDatabase puts the database with its write-ahead log aside under a suffix, or deletes it if there is none.
func moveDatabase(database, suffix string) error {
	var errs []error
	for _, part := range []string{"", "-wal", "-shm"} {
		var err error
		if suffix == "" {
			err = os.Remove(database + part)
		} else {
			err = os.Rename(database+part, database+suffix+part) //nolint:gosec // the operator names the directory
		}
		if !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func writePin(cfg DevServerConfig, bin binary) error {
	if cfg.Dir == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(cfg.Dir, pinName), []byte(bin.server+"\n"), 0o600)
}
