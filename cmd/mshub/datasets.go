package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
)

func datasetsCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "datasets", Short: "Create, list and show datasets; list their records"}
	cmd.AddCommand(datasetsListCommand(c), datasetsShowCommand(c), datasetsCreateCommand(c), datasetsRecordsCommand(c))
	return cmd
}

func datasetsListCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List datasets",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			list, err := house.records.ListDatasets(cmd.Context(), &recordsv1.ListDatasetsRequest{})
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				for _, d := range list.GetDatasets() {
					fmt.Fprintf(table, "%s\t%s\tkey: %s\n", d.GetName(), d.GetTitle(), strings.Join(d.GetKey(), ", "))
				}
				_ = table.Flush()
			})
		},
	}
}

func datasetsShowCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "show DATASET",
		Short: "Show a dataset's schema, key and number of records",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			name := named("datasets", args[0])
			d, err := house.records.GetDataset(cmd.Context(), &recordsv1.GetDatasetRequest{Name: name})
			if err != nil {
				return err
			}
			count, err := house.records.CountRecords(cmd.Context(), &recordsv1.CountRecordsRequest{Parent: name})
			if err != nil {
				return err
			}
			return c.print(d, func(w io.Writer) {
				fmt.Fprintf(w, "%s  %s\nkey: %s\nrecords: %d\nschema: %s\n", d.GetName(), d.GetTitle(), strings.Join(d.GetKey(), ", "),
					count.GetCount(), protojson.MarshalOptions{Multiline: true}.Format(d.GetSchema()))
			})
		},
	}
}

// datasetsCreateCommand makes a dataset from a JSON Schema, or from what a sample file looks like.
func datasetsCreateCommand(c *cli) *cobra.Command {
	var title, key, schema, like string
	cmd := &cobra.Command{
		Use:   "create DATASET (--schema FILE|JSON | --like FILE.csv) --key a,b",
		Short: "Create a dataset; --like proposes the columns from the first rows of a CSV file",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			dataset := &recordsv1.Dataset{Title: title}
			if key != "" {
				dataset.Key = strings.Split(key, ",")
			}
			switch {
			case schema != "" && like == "":
				if dataset.Schema, err = c.readInput(schema); err != nil {
					return errors.New(strings.Replace(err.Error(), "--input", "--schema", 1))
				}
			case like != "" && schema == "":
				if dataset.Schema, err = house.propose(cmd, like); err != nil {
					return err
				}
			default:
				return errors.New("give either --schema or --like")
			}
			d, err := house.records.CreateDataset(cmd.Context(), &recordsv1.CreateDatasetRequest{
				DatasetId: strings.TrimPrefix(args[0], "datasets/"), Dataset: dataset,
			})
			if err != nil {
				return err
			}
			return c.print(d, func(w io.Writer) { fmt.Fprintln(w, d.GetName()) })
		},
	}
	cmd.Flags().StringVar(&title, "title", "", "what people call it")
	cmd.Flags().StringVar(&key, "key", "", "columns that identify a record, separated by commas")
	cmd.Flags().StringVar(&schema, "schema", "", "JSON Schema, or a file that holds it")
	cmd.Flags().StringVar(&like, "like", "", "a CSV file (plain or gzipped) to take the columns from")
	return cmd
}

// sampleBytes is enough for thousands of rows, also when gzipped.
const sampleBytes = 256 << 10

func (a *api) propose(cmd *cobra.Command, path string) (*structpb.Struct, error) {
	source, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }()
	sample, err := io.ReadAll(io.LimitReader(source, sampleBytes))
	if err != nil {
		return nil, err
	}
	proposal, err := a.records.ProposeSchema(cmd.Context(), &recordsv1.ProposeSchemaRequest{Sample: sample})
	if err != nil {
		return nil, err
	}
	return proposal.GetSchema(), nil
}

func datasetsRecordsCommand(c *cli) *cobra.Command {
	req := &recordsv1.ListRecordsRequest{}
	cmd := &cobra.Command{
		Use:   "records DATASET",
		Short: `List records, a JSON object a line (--filter 'carrier="UA" AND dep_delay>60')`,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			req.Parent = named("datasets", args[0])
			list, err := house.records.ListRecords(cmd.Context(), req)
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				for _, r := range list.GetRecords() {
					fmt.Fprintln(w, protojson.MarshalOptions{}.Format(r.GetData()))
				}
				if list.GetNextPageToken() != "" {
					fmt.Fprintln(c.stderr, "more with --page-token", list.GetNextPageToken())
				}
			})
		},
	}
	cmd.Flags().StringVar(&req.Filter, "filter", "", "which records")
	cmd.Flags().StringVar(&req.OrderBy, "order-by", "", `a column, or "column desc"`)
	cmd.Flags().Int32Var(&req.PageSize, "page-size", 0, "how many at most")
	cmd.Flags().StringVar(&req.PageToken, "page-token", "", "where the last list ended")
	return cmd
}
