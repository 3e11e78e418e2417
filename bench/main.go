// Command bench measures the product beside the raw engines it stands on, in one run on one machine, and writes what it
// found to bench/results. It asserts nothing: a figure is a figure.
//
//	main.go      which figures there are; the loop
//	figure.go    samples, medians, the JSON file and the table
//	rig.go       a house under measurement, and a client of its API
//	memory.go    time to the ready line and resident memory after it
//	import.go    rows/s of a file through the whole platform beside COPY of the same rows into the same table
//	mongo.go     the same on MongoDB beside the driver's bulk inserts
//	overhead.go  runs/s of a one-step process beside the raw Temporal SDK on the same server
//	onestep.go   that process, and the roles that it needs, inside this program
//	issuer.go    tokens for them
//
// README.md says what each figure means and keeps the latest results.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/microservicehub/mshub/internal/lifecycle"
)

// figures by the name that `make bench NAME=…` takes, in the order in which they are run.
var figures = []struct {
	name string
	run  func(ctx context.Context) ([]Figure, error)
}{
	{"memory", measureMemory},
	{"import", measureImport},
	{"import-mongo", measureImportMongo},
	{"overhead", measureOverhead},
}

func main() {
	lifecycle.MaybeGuard() // the engines under measurement are children of this process
	name := flag.String("name", "", "one figure; all if empty")
	show := flag.Bool("table", false, "measure nothing; print what was measured last as a Markdown table")
	flag.Parse()
	if *show {
		if err := showAll(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var names []string
	failed := false
	for _, f := range figures {
		names = append(names, f.name)
		if *name != "" && f.name != *name {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", f.name)
		found, err := f.run(ctx)
		if err == nil {
			err = save(f.name, found)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", f.name, err)
			failed = true
			continue
		}
		table(os.Stdout, found)
	}
	if *name != "" && !slices.Contains(names, *name) {
		fmt.Fprintf(os.Stderr, "bench: no figure %q; there are %s\n", *name, strings.Join(names, ", "))
		failed = true
	}
	if failed {
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// showAll prints the saved results in the order in which they are measured.
func showAll(w io.Writer) error {
	var all []Figure
	for _, f := range figures {
		found, err := saved(f.name)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	markdown(w, all)
	return nil
}
