package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

func runsShowCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "show RUN",
		Short: "Show a run with its steps, its place in the queue, and what may be done with it now",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			r, err := house.runs.GetRun(cmd.Context(), &runsv1.GetRunRequest{Name: named("runs", args[0])})
			if err != nil {
				return err
			}
			return c.print(r, func(w io.Writer) { describe(w, r) })
		},
	}
}

// describe writes a run for people.
func describe(w io.Writer, r *runsv1.Run) {
	fmt.Fprintf(w, "%s  %s  %s  %s\n", r.GetName(), r.GetProcess(), stateText(r), progressText(r))
	facts := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, fact := range []struct{ what, value string }{
		{"title", r.GetTitle()}, {"key", r.GetKey()}, {"started by", r.GetActor()}, {"schedule", r.GetSchedule()},
		{"retry of", r.GetRetriedFrom()}, {"build", r.GetBuild()},
	} {
		if fact.value != "" {
			fmt.Fprintf(facts, "  %s:\t%s\n", fact.what, fact.value)
		}
	}
	_ = facts.Flush()
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range r.GetSteps() {
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", s.GetName(), strings.ToLower(s.GetState().String()), s.GetTitle(), s.GetMessage())
	}
	_ = table.Flush()
	if e := r.GetError(); e != nil {
		fmt.Fprintf(w, "error in %s: %s\n", e.GetStep(), e.GetMessage())
	}
	if r.GetResult() != nil {
		fmt.Fprintln(w, "result:", protojson.MarshalOptions{}.Format(r.GetResult()))
	}
	if len(r.GetCommands()) > 0 && !ended(r.GetState()) {
		words := make([]string, 0, len(r.GetCommands()))
		for _, command := range r.GetCommands() {
			words = append(words, commandWord(command))
		}
		fmt.Fprintln(w, "you may:", strings.Join(words, ", "))
	}
}

// commandWord is a command as this command line spells it: RETRY_STEP is `retry-step`.
func commandWord(command runsv1.Run_Command) string {
	return strings.ReplaceAll(strings.ToLower(command.String()), "_", "-")
}
