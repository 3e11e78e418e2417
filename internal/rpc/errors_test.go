package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// TestPublic: what may be shown is shown, what may not is hidden behind a trace id and only logged.
func TestPublic(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		err    error
		code   connect.Code
		reason string
		logged bool
	}{
		"ours":                {NotFound("run", "runs/1"), connect.CodeNotFound, "NOT_FOUND", false},
		"wrapped":             {fmt.Errorf("storing: %w", Invalid("email", "is missing")), connect.CodeInvalidArgument, "INVALID_FIELD", false},
		"no row":              {pgx.ErrNoRows, connect.CodeNotFound, "NOT_FOUND", false},
		"zero byte":           {&pgconn.PgError{Code: "22021"}, connect.CodeInvalidArgument, "INVALID_FIELD", false},
		"zero byte in JSON":   {&pgconn.PgError{Code: "22P05"}, connect.CodeInvalidArgument, "INVALID_FIELD", false},
		"slow statement":      {&pgconn.PgError{Code: "57014"}, connect.CodeDeadlineExceeded, "DEADLINE", true},
		"database restarting": {&pgconn.PgError{Code: "57P01"}, connect.CodeUnavailable, "UNAVAILABLE", true},
		"database killed":     {fmt.Errorf("write failed: %w", &net.OpError{Op: "write", Err: syscall.EPIPE}), connect.CodeUnavailable, "UNAVAILABLE", true},
		"too many":            {&pgconn.PgError{Code: "53300"}, connect.CodeUnavailable, "UNAVAILABLE", true},
		"caller gone":         {context.Canceled, connect.CodeCanceled, "", false},
		"unknown":             {errors.New("password=hunter2 refused"), connect.CodeInternal, "INTERNAL", true},
	} {
		var log bytes.Buffer
		err := Public(context.Background(), slog.New(slog.NewTextHandler(&log, nil)), "/x/Y", c.err)
		if connect.CodeOf(err) != c.code || ReasonOf(err) != c.reason {
			t.Errorf("%s: got %v with reason %q", what, err, ReasonOf(err))
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the cause is shown: %v", what, err)
		}
		if (log.Len() > 0) != c.logged {
			t.Errorf("%s: logged %q", what, log.String())
		}
	}
}
