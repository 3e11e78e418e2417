package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

func rejectsCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "rejects", Short: "List and correct the rows that an import rejected; `mshub runs retry` takes them in"}
	cmd.AddCommand(rejectsListCommand(c), rejectsFixCommand(c))
	return cmd
}

// importOf accepts the run, its id, or the import's own name: people paste all three.
func importOf(text string) string {
	for _, prefix := range []string{"runs/", "imports/"} {
		text = strings.TrimPrefix(text, prefix)
	}
	return "imports/" + text
}

func rejectsListCommand(c *cli) *cobra.Command {
	req := &recordsv1.ListRejectsRequest{}
	cmd := &cobra.Command{
		Use:   "list RUN",
		Short: "List the rejected rows of an import with every fault",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			req.Parent = importOf(args[0])
			list, err := house.records.ListRejects(cmd.Context(), req)
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				for _, r := range list.GetRejects() {
					rejectLines(w, r)
				}
				more(w, list.GetNextPageToken())
			})
		},
	}
	pages(cmd, &req.PageSize, &req.PageToken)
	return cmd
}

func rejectLines(w io.Writer, r *recordsv1.Reject) {
	fmt.Fprintf(w, "%s  line %d  %s\n", r.GetName(), r.GetLine(), strings.ToLower(r.GetState().String()))
	for _, f := range r.GetFaults() {
		if f.GetColumn() == "" {
			fmt.Fprintf(w, "  %s\n", f.GetReason())
		} else {
			fmt.Fprintf(w, "  %s: %q: %s\n", f.GetColumn(), f.GetValue(), f.GetReason())
		}
	}
}

func rejectsFixCommand(c *cli) *cobra.Command {
	var set []string
	cmd := &cobra.Command{
		Use:     "fix REJECT --set COLUMN=CELL",
		Short:   "Correct cells of a rejected row; it is taken in by the next `mshub runs retry RUN`",
		Example: "  mshub rejects fix imports/0193…/rejects/17 --set dep_delay=12 --set carrier=UA",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cells, err := parseCells(set)
			if err != nil {
				return err
			}
			house, err := c.api()
			if err != nil {
				return err
			}
			fixed, err := house.records.UpdateReject(cmd.Context(), &recordsv1.UpdateRejectRequest{Reject: &recordsv1.Reject{Name: args[0], Cells: cells}})
			if err != nil {
				return err
			}
			return c.print(fixed, func(w io.Writer) { rejectLines(w, fixed) })
		},
	}
	// An array, not a slice: a cell may have commas.
	cmd.Flags().StringArrayVar(&set, "set", nil, "COLUMN=CELL; may be repeated")
	return cmd
}

func parseCells(set []string) (map[string]string, error) {
	if len(set) == 0 {
		return nil, errors.New("nothing to correct: give --set COLUMN=CELL")
	}
	cells := make(map[string]string, len(set))
	for _, pair := range set {
		column, cell, found := strings.Cut(pair, "=")
		if !found || column == "" {
			return nil, fmt.Errorf("--set: %q is not COLUMN=CELL", pair)
		}
		cells[column] = cell
	}
	return cells, nil
}
