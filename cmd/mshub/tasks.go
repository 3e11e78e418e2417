package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

func tasksCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "tasks", Short: "List, claim, delegate and decide what waits for a person"}
	cmd.AddCommand(tasksListCommand(c), tasksDecideCommand(c), tasksDelegateCommand(c),
		taskCommand(c, "show", "Show a task with its facts, its form and its votes", describeTask, func(ctx context.Context, a *api, name string) (*runsv1.Task, error) {
			return a.runs.GetTask(ctx, &runsv1.GetTaskRequest{Name: name})
		}),
		taskCommand(c, "claim", "Keep a task for yourself: nobody else may decide it until you release it", taskLine, func(ctx context.Context, a *api, name string) (*runsv1.Task, error) {
			return a.runs.ClaimTask(ctx, &runsv1.ClaimTaskRequest{Name: name})
		}),
		taskCommand(c, "release", "Give a claimed task back, or take back one that you delegated", taskLine, func(ctx context.Context, a *api, name string) (*runsv1.Task, error) {
			return a.runs.ReleaseTask(ctx, &runsv1.ReleaseTaskRequest{Name: name})
		}),
	)
	return cmd
}

func tasksListCommand(c *cli) *cobra.Command {
	req := &runsv1.ListTasksRequest{}
	var state, process string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List open tasks, newest first; --mine leaves those that you may decide",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			if which := (&runsFilter{filter: req.GetFilter(), state: state, process: process}); state != "all" {
				req.Filter = which.text()
			}
			list, err := house.runs.ListTasks(cmd.Context(), req)
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(table, "TASK\tSTATE\tFOR\tDUE\tPROCESS\tTITLE")
				for _, t := range list.GetTasks() {
					due := "-"
					if t.GetDueTime() != nil {
						due = clock(t.GetDueTime())
					}
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", t.GetName(), t.GetState(), t.GetAssignee(), due, t.GetProcess(), t.GetTitle())
				}
				_ = table.Flush()
				more(w, list.GetNextPageToken())
			})
		},
	}
	cmd.Flags().StringVar(&req.Filter, "filter", "", `which tasks: 'assignee="roles/approver" AND dueTime<2026-01-31'`)
	cmd.Flags().StringVar(&state, "state", "open", "open, decided, expired, withdrawn or all")
	cmd.Flags().StringVar(&process, "process", "", "only tasks of this process")
	cmd.Flags().BoolVar(&req.Mine, "mine", false, "only those that you may decide now")
	pages(cmd, &req.PageSize, &req.PageToken)
	return cmd
}

// taskCommand makes a command to one task that needs nothing but its name.
func taskCommand(c *cli, use, short string, show func(io.Writer, *runsv1.Task), do func(context.Context, *api, string) (*runsv1.Task, error)) *cobra.Command {
	return &cobra.Command{
		Use:   use + " TASK",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			t, err := do(cmd.Context(), house, named("tasks", args[0]))
			if err != nil {
				return err
			}
			return c.print(t, func(w io.Writer) { show(w, t) })
		},
	}
}

func tasksDelegateCommand(c *cli) *cobra.Command {
	req := &runsv1.DelegateTaskRequest{}
	cmd := taskCommand(c, "delegate", "Give a task to somebody else who may decide it", taskLine, func(ctx context.Context, a *api, name string) (*runsv1.Task, error) {
		req.Name = name
		return a.runs.DelegateTask(ctx, req)
	})
	cmd.Flags().StringVar(&req.Assignee, "to", "", "users/ID or roles/NAME")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why")
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

func tasksDecideCommand(c *cli) *cobra.Command {
	req := &runsv1.DecideTaskRequest{}
	var form string
	cmd := &cobra.Command{
		Use:   "decide TASK approve|reject",
		Short: "Decide a task; a rejection needs --reason",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			decision := runsv1.Task_Decision(runsv1.Task_Decision_value[strings.ToUpper(args[1])])
			if decision == runsv1.Task_DECISION_UNSPECIFIED {
				return fmt.Errorf("%q is no decision: approve or reject", args[1])
			}
			if form != "" {
				filled, err := c.readInput(form)
				if err != nil {
					return errors.New(strings.Replace(err.Error(), "--input", "--form", 1))
				}
				req.Form = filled
			}
			house, err := c.api()
			if err != nil {
				return err
			}
			req.Name, req.Decision = named("tasks", args[0]), decision
			t, err := house.runs.DecideTask(cmd.Context(), req)
			if err != nil {
				return err
			}
			return c.print(t, func(w io.Writer) { taskLine(w, t) })
		},
	}
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for the journal and the person concerned")
	cmd.Flags().StringVar(&form, "form", "", "the form's answers: JSON, or a file that holds it")
	cmd.Flags().Int64Var(&req.Version, "version", 0, "decide only if the task is still as you saw it")
	return cmd
}

// taskLine says what became of a task: also that a vote was counted, but more are needed.
func taskLine(w io.Writer, t *runsv1.Task) {
	fmt.Fprint(w, t.GetName(), " ", t.GetState())
	switch {
	case t.GetState() == runsv1.Task_DECIDED:
		fmt.Fprint(w, ": ", strings.ToLower(t.GetDecision().String()), " by ", t.GetDecidedBy())
	case t.GetClaimedBy() != "":
		fmt.Fprint(w, ", claimed by ", t.GetClaimedBy())
	case len(t.GetVotes()) > 0:
		fmt.Fprint(w, ", ", len(t.GetVotes()), " of ", t.GetQuorum(), " votes")
	default:
		fmt.Fprint(w, ", for ", t.GetAssignee())
	}
	fmt.Fprintln(w)
}

func describeTask(w io.Writer, t *runsv1.Task) {
	taskLine(w, t)
	fmt.Fprintf(w, "%s\n", t.GetTitle())
	if t.GetDescription() != "" {
		fmt.Fprintf(w, "%s\n", t.GetDescription())
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rules := ""
	if t.GetQuorum() > 1 {
		rules = strconv.Itoa(int(t.GetQuorum())) + " people must approve"
	}
	if t.GetFourEyes() {
		rules = strings.TrimPrefix(rules+", not who started the run", ", ")
	}
	due := ""
	if t.GetDueTime() != nil {
		due = clock(t.GetDueTime())
	}
	for _, fact := range []struct{ what, value string }{
		{"run", t.GetRun() + " (" + t.GetProcess() + ")"}, {"for", t.GetAssignee()}, {"delegated by", t.GetDelegatedBy()}, {"due", due},
		{"rules", rules}, {"files", strings.Join(t.GetFiles(), " ")}, {"reason", t.GetReason()},
	} {
		if fact.value != "" {
			fmt.Fprintf(table, "  %s:\t%s\n", fact.what, fact.value)
		}
	}
	for _, v := range t.GetVotes() {
		fmt.Fprintf(table, "  vote:\t%s by %s at %s %s\n", strings.ToLower(v.GetDecision().String()), v.GetActor(), clock(v.GetTime()), v.GetReason())
	}
	_ = table.Flush()
	if len(t.GetContext().GetFields()) > 0 {
		fmt.Fprintln(w, "facts:", protojson.Format(t.GetContext()))
	}
	if len(t.GetFormSchema().GetFields()) > 0 {
		fmt.Fprintln(w, "form:", protojson.Format(t.GetFormSchema()))
	}
}
