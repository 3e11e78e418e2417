// Command bench measures the product beside the raw engines it stands on and beside its peers, in one run on one machine,
// and writes what it found to bench/results. It asserts nothing: a figure is a figure.
//
//	main.go        which figures there are; the loop
//	sizes.go       how much each of them does: in earnest, and to try the measurement
//	figure.go      samples, medians, the JSON file, the table and whether goals are met
//
//	rig.go         a house under measurement (the built binary), and a client of its API
//	person.go      somebody signed in to it
//	memory.go      time to the ready line and resident memory after it
//	cold.go        the same from a clone and empty caches; only when it is asked for by name
//	import.go      rows/s of a file through the whole platform beside COPY of the same rows into the same table
//	generate.go    the same with a generated file of any length, and what that does to the memory
//	mongo.go       the same on MongoDB beside the driver's bulk inserts
//	django.go      the same beside Celery and Django
//	start.go       how long StartRun takes while runs come in all the time
//	pause.go       how long a pause takes in a long batch
//	lists.go       the lists and the inbox among a million runs and tasks
//
//	overhead.go    runs/s of a one-step process beside the raw Temporal SDK on the same server
//	recovery.go    a worker is killed, beside Celery's: what is lost, what is done twice, how long it takes
//	house.go       the runs role and workers inside this program, for processes that the product does not have
//	worker.go      such a worker as a process of its own, to be killed
//	issuer.go      tokens for them
//	celery.go      Celery's workers as child processes, Redis, a Python environment; the programs are in peers/
//
// README.md says what each figure means and keeps the latest results.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/microservicehub/mshub/internal/lifecycle"
	"github.com/microservicehub/mshub/internal/redis"
)

// figures by the name that `make bench NAME=…` takes, in the order in which they are run.
var figures = []struct {
	name string
	run  func(ctx context.Context, s sizes) ([]Figure, error)
}{
	{"memory", measureMemory},
	{"import", measureImport},
	{"import-generated", measureImportGenerated},
	{"import-mongo", measureImportMongo},
	{"import-celery", measureImportCelery},
	{"overhead", measureOverhead},
	{"start", measureStart},
	{"pause", measurePause},
	{"lists", measureLists},
	{"recovery", measureRecovery},
	{cold, measureCold},
}

// cold takes as long as all others together, and the whole machine.
const cold = "cold"

func main() {
	lifecycle.MaybeGuard() // the engines under measurement are children of this process
	redis.LogTo(slog.New(slog.DiscardHandler))
	maybeWorker()
	name := flag.String("name", "", "one figure; all if empty")
	try := flag.Bool("try", false, "try the measurement at a tiny size; nothing is saved")
	rows := flag.Int("rows", 0, "rows of the generated file (import-generated; 1,000,000 by default)")
	width := flag.Int("width", 0, "bytes of its text column (20 by default)")
	listed := flag.Int("listed", 0, "runs and tasks that are listed (lists; 1,000,000 by default)")
	samples := flag.Int("samples", 0, "samples of each figure that takes turns with a peer (5 by default, 3 of a generated file)")
	tasks := flag.Int("tasks", 0, "tasks among which a worker is killed (recovery; 2,000 by default)")
	show := flag.Bool("table", false, "measure nothing; print what was measured last as a Markdown table")
	flag.Parse()
	if *show {
		if err := showAll(os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	s := full
	if *try {
		s = tiny
	}
	s.samples = cmp.Or(*samples, s.samples)
	s.rows, s.width = cmp.Or(*rows, s.rows), cmp.Or(*width, s.width)
	s.listed, s.tasks = cmp.Or(*listed, s.listed), cmp.Or(*tasks, s.tasks)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var names []string
	failed := false
	for _, f := range figures {
		names = append(names, f.name)
		if *name != "" && f.name != *name || *name == "" && f.name == cold || ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", f.name)
		found, err := f.run(ctx, s)
		if err == nil && !*try {
			err = save(resultName(f.name, s), found)
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

// resultName keeps what was measured at another size than usual beside the usual.
func resultName(figure string, s sizes) string {
	switch {
	case figure == "import-generated" && (s.rows != full.rows || s.width != full.width):
		return fmt.Sprintf("%s-%dx%d", figure, s.rows, s.width)
	case figure == "pause" && s.rows != full.rows:
		return fmt.Sprintf("%s-%d", figure, s.rows)
	case figure == "lists" && s.listed != full.listed:
		return fmt.Sprintf("%s-%d", figure, s.listed)
	case figure == "recovery" && s.tasks != full.tasks:
		return fmt.Sprintf("%s-%d", figure, s.tasks)
	}
	return figure
}

// showAll prints the saved results in the order in which they are measured.
func showAll(w io.Writer) error {
	var all []Figure
	for _, f := range figures {
		names, err := savedNames(f.name)
		if err != nil {
			return err
		}
		for _, name := range names {
			found, err := saved(name)
			if err != nil {
				return err
			}
			all = append(all, found...)
		}
	}
	markdown(w, all)
	return nil
}
