package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/internal/rpc"
)

// cli is what every subcommand shares.
type cli struct {
	environ        map[string]string
	stdin          io.Reader
	stdout, stderr io.Writer
	// json: print the API's answer as it is.
	json bool
}

func rootCommand(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:           "mshub",
		Short:         "A self-hosted platform for a team's business processes",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print JSON")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddGroup(&cobra.Group{ID: "house", Title: "The house:"}, &cobra.Group{ID: "client", Title: "Its command line:"})
	for _, cmd := range []*cobra.Command{upCommand(c), serveCommand(c), migrateCommand(c), configCommand(c), healthCommand(c), adminCommand(c), versionCommand(c)} {
		cmd.GroupID = "house"
		root.AddCommand(cmd)
	}
	for _, cmd := range []*cobra.Command{loginCommand(c), processesCommand(c), runCommand(c), runsCommand(c), tasksCommand(c), schedulesCommand(c), loadCommand(c), digestCommand(c), filesCommand(c), datasetsCommand(c), rejectsCommand(c), webhooksCommand(c), applyCommand(c)} {
		cmd.GroupID = "client"
		root.AddCommand(cmd)
	}
	return root
}

// print writes an answer: the API's JSON under --json, else what human writes.
func (c *cli) print(m proto.Message, human func(w io.Writer)) error {
	if !c.json {
		human(c.stdout)
		return nil
	}
	raw, err := protojson.Marshal(m)
	if err != nil {
		return err
	}
	return c.printJSON(json.RawMessage(raw))
}

// printJSON writes stable, indented JSON (protojson alone varies its spaces on purpose).
func (c *cli) printJSON(v any) error {
	out := json.NewEncoder(c.stdout)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// explain turns an API error into a sentence with the fields and the reason.
func explain(err error) string {
	var api *connect.Error
	if !errors.As(err, &api) {
		return err.Error()
	}
	text := api.Message()
	if reason := rpc.ReasonOf(err); reason != "" {
		text += fmt.Sprintf(" (%s, %s)", api.Code(), reason)
	} else {
		text += fmt.Sprintf(" (%s)", api.Code())
	}
	if fields := rpc.FieldsOf(err); len(fields) > 1 {
		text += "\n  fields: " + strings.Join(fields, ", ")
	}
	return text
}
