package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/structpb"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// bulkCommands are those that need no more than a run and a reason.
var bulkCommands = []runsv1.Run_Command{
	runsv1.Run_PAUSE, runsv1.Run_RESUME, runsv1.Run_CANCEL, runsv1.Run_RETRY, runsv1.Run_RETRY_STEP, runsv1.Run_SKIP_STEP, runsv1.Run_TERMINATE,
}

// runsBulkCommand starts a run of the process `runbulk` and watches it: thousands of commands are a durable process of their
// own, with progress, a journal, and a list of the runs that refused.
func runsBulkCommand(c *cli) *cobra.Command {
	which := &runsFilter{}
	var reason, key string
	var dryRun, detach bool
	words := make([]string, 0, len(bulkCommands))
	for _, command := range bulkCommands {
		words = append(words, commandWord(command))
	}
	cmd := &cobra.Command{
		Use:       "bulk COMMAND --filter …",
		Short:     "Give every run that a filter names a command: " + strings.Join(words, ", "),
		Example:   `  mshub runs bulk pause --process recordimport --state running --reason "maintenance" --dry-run`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: words,
		RunE: func(cmd *cobra.Command, args []string) error {
			command, err := bulkCommand(args[0], words)
			if err != nil {
				return err
			}
			filter := which.text()
			if filter == "" {
				return errors.New("say which runs: --filter, --state, --process or --key")
			}
			in, err := structpb.NewStruct(map[string]any{"command": command.String(), "reason": reason, "filter": filter, "dryRun": dryRun})
			if err != nil {
				return err
			}
			return c.startRun(cmd.Context(), &runsv1.StartRunRequest{Process: "runbulk", Input: in, IdempotencyKey: key}, !detach)
		},
	}
	which.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the journals and the audit")
	cmd.Flags().StringVar(&key, "idempotency-key", "", "repeating the command with the same key starts nothing twice")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "count the runs, do nothing")
	cmd.Flags().BoolVar(&detach, "detach", false, "do not wait for the end")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func bulkCommand(word string, words []string) (runsv1.Run_Command, error) {
	for _, command := range bulkCommands {
		if commandWord(command) == word {
			return command, nil
		}
	}
	return 0, fmt.Errorf("%q can't be given to many runs; there are %s", word, strings.Join(words, ", "))
}
