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
	var input, key, title string
	var watch bool
	cmd := &cobra.Command{
		Use:   "run PROCESS --input FILE|JSON",
		Short: "Start a process; --watch follows it to its end with a progress bar",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := readInput(input)
			if err != nil {
				return err
			}
			house, err := c.api()
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if key != "" {
				ctx = rpc.WithIdempotencyKey(ctx, key)
			}
			r, err := house.runs.StartRun(ctx, &runsv1.StartRunRequest{Process: args[0], Input: in, Title: title})
			if err != nil {
				return err
			}
			if watch {
				if r, err = c.watch(cmd.Context(), house, r); err != nil {
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
		},
	}
	cmd.Flags().StringVar(&input, "input", "{}", "JSON, or a file that holds it; - reads standard input")
	cmd.Flags().StringVar(&key, "idempotency-key", "", "repeating the command with the same key starts nothing twice")
	cmd.Flags().StringVar(&title, "title", "", "what people call this run")
	cmd.Flags().BoolVar(&watch, "watch", false, "follow the run to its end; exit 1 unless it completes")
	return cmd
}

// readInput takes JSON as it is, the name of a file, or "-".
func readInput(text string) (*structpb.Struct, error) {
	raw := []byte(text)
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		var err error
		if text == "-" {
			raw, err = io.ReadAll(io.LimitReader(os.Stdin, rpc.MaxRequestBytes))
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
