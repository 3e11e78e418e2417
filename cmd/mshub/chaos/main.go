// Command chaos runs mshub as a production does, its roles split into processes on a private PostgreSQL, Temporal and Redis,
// and a MongoDB if records are to lie there, takes parts of it away while it works, and then asks whether every promise was
// kept. `make chaos SEED=… MINUTES=… STORE=mongo`, or `SEEDS=1-20`.
//
//	main.go series.go       flags, the course of one seed, several seeds and their table
//	plan.go nemesis.go      what goes wrong when, decided by the seed alone; carrying it out
//	engines.go mongod.go house.go       what is taken away: engines, and `mshub serve` in four processes
//	story.go        the load: runs as their users live them, with everything sent twice
//	story_*.go      imports and exports; onboardings decided, cancelled, reset; an erasure parked; many runs commanded at once
//	client.go person.go viewer.go       the users: an API client, a browser, a live feed
//	mail.go receiver.go         other systems: a mail server, a webhook's address
//	judge.go        the list of promises, the verdict
//	judge_*.go      the promises, by what they are about
//
// The same seed gives the same faults at the same times and the same stories in the same order; how the two meet is the
// machine's. It exits 1 if a promise was broken, and keeps the processes' logs and says where.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/microservicehub/mshub/internal/lifecycle"
	"github.com/microservicehub/mshub/internal/redis"
)

type settings struct {
	seed    uint64
	minutes float64
	atOnce  int
	bin     string
	// store is where records lie.
	store string
	// settle is how long the stories under way may take to end when nothing is taken away any more.
	settle time.Duration
	keep   bool
}

func main() {
	lifecycle.MaybeGuard()
	var o settings
	var seeds string
	flag.Uint64Var(&o.seed, "seed", 0, "decides what goes wrong when; 0 = by the clock")
	flag.StringVar(&seeds, "seeds", "", "several, one after the other, with a table at the end: 1-20, or \"1 2 3\"")
	flag.Float64Var(&o.minutes, "minutes", 3, "how long things go wrong")
	flag.IntVar(&o.atOnce, "at-once", 8, "stories at once")
	flag.StringVar(&o.bin, "bin", "bin/mshub", "the mshub to try")
	flag.StringVar(&o.store, "store", storePostgres, "where records lie: postgres or mongo")
	flag.DurationVar(&o.settle, "settle", 4*time.Minute, "how long the last runs may take to end")
	flag.BoolVar(&o.keep, "keep", false, "keep the directory with logs and data also when all is well")
	flag.Parse()
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano() % 1_000_000)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := o.do(ctx, seeds, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func (o settings) do(ctx context.Context, seeds string, out io.Writer) error {
	redis.LogTo(slog.New(slog.DiscardHandler))
	if o.store != storePostgres && o.store != storeMongo {
		return fmt.Errorf("-store: there is no %q; there are %s and %s", o.store, storePostgres, storeMongo)
	}
	if _, err := os.Stat(o.bin); err != nil {
		return fmt.Errorf("%s is missing: run `make build` first", o.bin)
	}
	if seeds == "" {
		_, err := run(ctx, o, out)
		return err
	}
	list, err := seedsOf(seeds)
	if err != nil {
		return err
	}
	return series(ctx, o, list, out)
}

// ending is what a seed came to.
type ending struct {
	faults, stories int
	// broken are the sentences of promises that were not kept.
	broken []string
	// dir has logs and data; empty if they are gone.
	dir  string
	took time.Duration
}

// run tries one seed and tells out what happens; without one it tells a log beside the processes' own.
func run(ctx context.Context, o settings, out io.Writer) (end ending, err error) {
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return end, err
	}
	if end.dir, err = os.MkdirTemp("", "mshub-chaos-"); err != nil {
		return end, err
	}
	if err := os.Chmod(end.dir, 0o755); err != nil { // PostgreSQL's user must enter it
		return end, err
	}
	if out == nil {
		log, err := os.Create(filepath.Join(end.dir, "chaos.log"))
		if err != nil {
			return end, err
		}
		defer func() { _ = log.Close() }()
		out = log
	}
	began := time.Now()
	length := time.Duration(o.minutes * float64(time.Minute))
	faults := plan(o.seed, length, o.store)
	fmt.Fprintf(out, "seed %d, %s, %d faults, %d stories at once, records in %s\n", o.seed, length, len(faults), o.atOnce, o.store)

	end.faults = len(faults)
	err = try(ctx, o, bin, faults, out, &end)
	end.took = time.Since(began)
	if err != nil {
		fmt.Fprintln(out, err)
	}
	if err != nil || o.keep {
		fmt.Fprintln(out, "logs:", end.dir)
		return end, err
	}
	dir := end.dir
	end.dir = ""
	return end, os.RemoveAll(dir)
}

func try(ctx context.Context, o settings, bin string, faults []fault, out io.Writer, end *ending) error {
	starting, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	log := slog.New(slog.DiscardHandler)
	e, err := startEngines(starting, end.dir, o.store, log)
	if e != nil {
		defer e.stop(context.WithoutCancel(ctx))
	}
	if err != nil {
		return err
	}
	post, err := newPostbox()
	if err != nil {
		return err
	}
	defer post.close()
	hook, err := newReceiver()
	if err != nil {
		return err
	}
	defer hook.close()
	h, err := startHouse(starting, bin, end.dir, e, post.address())
	if h != nil {
		defer h.stop(context.WithoutCancel(ctx))
	}
	if err != nil {
		return err
	}
	s, err := openStage(starting, o.seed, h, post)
	if err != nil {
		return err
	}
	s.hook = hook
	if err := hook.subscribe(starting, s.admin); err != nil {
		return err
	}

	length := time.Duration(o.minutes * float64(time.Minute))
	playing, done := context.WithTimeout(ctx, length+o.settle)
	defer done()
	struck := make(chan error, 1)
	began := time.Now()
	go func() { struck <- nemesis(ctx, faults, h, e, out) }()
	s.play(playing, began.Add(length), o.atOnce)
	if err := <-struck; err != nil {
		return fmt.Errorf("the nemesis failed: %w", err)
	}
	end.stories = len(s.stories)
	fmt.Fprintf(out, "all stories told after %.0f s\n", time.Since(began).Seconds())
	j, err := newJudge(ctx, e, h, s)
	if err != nil {
		return err
	}
	defer j.close(context.WithoutCancel(ctx))
	if err := j.quiet(playing); err != nil {
		return err
	}
	end.broken, err = j.verdict(ctx, out)
	return err
}

// openStage makes the first administrator, by the link that the machine's operator gets, and a machine client.
func openStage(ctx context.Context, seed uint64, h *house, post *postbox) (*stage, error) {
	link, err := h.command(ctx, "admin", "link").Output()
	if err != nil {
		return nil, fmt.Errorf("admin link: %w", err)
	}
	ada := newPerson(h.edge)
	if err := ada.submit(ctx, strings.TrimSpace(string(link)), map[string]string{"email": "ada@example.com", "name": "Ada", "password": password}); err != nil {
		return nil, fmt.Errorf("the first administrator: %w", err)
	}
	const scope = "runs:write records:write files:write identity:write"
	raw, err := h.command(ctx, "admin", "client", "robot", "--scope", scope, "--json").Output()
	if err != nil {
		return nil, fmt.Errorf("admin client: %w", err)
	}
	var made struct{ ClientID, ClientSecret string }
	if err := json.Unmarshal(raw, &made); err != nil {
		return nil, err
	}
	s := &stage{seed: seed, post: post, origin: h.edge, odd: &tally{}}
	machine := &token{fetch: clientCredentials(h.edge, made.ClientID, made.ClientSecret, scope)}
	s.api, s.upload = s.client(h.edge, machine), s.client(h.core, machine)
	s.admin = s.client(h.edge, &token{fetch: ada.session})
	return s, nil
}
