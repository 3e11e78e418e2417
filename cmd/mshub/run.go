package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/internal/rpc"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

func runCommand(c *cli) *cobra.Command {
	var input string
	var watch bool
	req := &runsv1.StartRunRequest{}
	cmd := &cobra.Command{
		Use:   "run PROCESS --input FILE|JSON",
		Short: "Start a process; --watch follows it to its end with a progress bar",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := c.readInput(input)
			if err != nil {
				return err
			}
			req.Process, req.Input = args[0], in
			return c.startRun(cmd.Context(), req, watch)
		},
	}
	cmd.Flags().StringVar(&input, "input", "{}", "JSON, or a file that holds it; - reads standard input")
	cmd.Flags().StringVar(&req.IdempotencyKey, "idempotency-key", "", "repeating the command with the same key starts nothing twice")
	cmd.Flags().StringVar(&req.Title, "title", "", "what people call this run")
	cmd.Flags().StringVar(&req.Key, "key", "", "business key: runs with the same one are found, and limited, together")
	cmd.Flags().Int32Var(&req.Priority, "priority", 0, "1 (first) to 5; by default the process's own")
	cmd.Flags().BoolVar(&watch, "watch", false, "follow the run to its end; exit 1 unless it completes")
	return cmd
}

// startRun starts a run, prints it, and with watch follows it to its end, which must be success.
func (c *cli) startRun(ctx context.Context, req *runsv1.StartRunRequest, watch bool) error {
	house, err := c.api()
	if err != nil {
		return err
	}
	r, err := house.runs.StartRun(ctx, req)
	if err != nil {
		return err
	}
	if watch {
		if r, err = c.watch(ctx, house, r); err != nil {
			return err
		}
	}
	if err := c.print(r, func(w io.Writer) { describe(w, r) }); err != nil {
		return err
	}
	if watch && r.GetState() != runsv1.Run_COMPLETED {
		return fmt.Errorf("%s ended %s", r.GetName(), strings.ToLower(r.GetState().String()))
	}
	return nil
}

// readInput takes JSON as it is, the name of a file, or "-".
func (c *cli) readInput(text string) (*structpb.Struct, error) {
	raw := []byte(text)
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		var err error
		if text == "-" {
			raw, err = io.ReadAll(io.LimitReader(c.stdin, rpc.MaxRequestBytes))
		} else {
			raw, err = os.ReadFile(text)
		}
		if err != nil {
			return nil, fmt.Errorf("--input: %w", err)
		}
	}
	in := &structpb.Struct{}
	if err := protojson.Unmarshal(raw, in); err != nil {
		return nil, errors.New("--input: is not a JSON object; write it in quotes, or name a file that holds it")
	}
	return in, nil
}

// watch follows a run by its live feed, and asks again wherever the feed breaks.
func (c *cli) watch(ctx context.Context, house *api, r *runsv1.Run) (*runsv1.Run, error) {
	bar := newBar(c.stderr, c.environ["TERM"] != "" && c.environ["TERM"] != "dumb" && !c.json)
	defer bar.end()
	for !ended(r.GetState()) {
		bar.show(r)
		err := house.follow(ctx, r, bar)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("stopped watching; %s goes on", r.GetName())
		}
		next, getErr := house.runs.GetRun(ctx, &runsv1.GetRunRequest{Name: r.GetName()})
		if getErr == nil {
			r = next
			continue
		}
		if err == nil {
			err = getErr
		}
		if !transient(getErr) {
			return nil, errors.Join(err)
		}
		select { // the house restarts: the run does not mind
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	bar.show(r)
	return r, nil
}

func ended(s runsv1.Run_State) bool {
	switch s {
	case runsv1.Run_COMPLETED, runsv1.Run_FAILED, runsv1.Run_CANCELLED, runsv1.Run_TERMINATED, runsv1.Run_TIMED_OUT, runsv1.Run_LOST:
		return true
	}
	return false
}
