// Command chaos runs mshub as a production does, its roles split into processes on a private PostgreSQL, Temporal and Redis,
// takes parts of it away while it works, and then asks whether every promise was kept. `make chaos SEED=… MINUTES=…`.
//
//	main.go         flags, the course of a run, the verdict
//	plan.go         what goes wrong when: decided by the seed alone
//	nemesis.go      carries the plan out
//	engines.go house.go         what is taken away: engines, and `mshub serve` in four processes
//	story.go        the load: runs as their users live them, with everything sent twice
//	client.go person.go viewer.go       the users: an API client, a browser, a live feed
//	mail.go receiver.go         other systems: a mail server, a webhook's address
//	invariants.go   the promises
//
// The same seed gives the same faults at the same times and the same stories in the same order; how the two meet is the
// machine's. It exits 1 if a promise was broken, and keeps the processes' logs and says where.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/lifecycle"
	"github.com/microservicehub/mshub/internal/redis"
)

type options struct {
	seed    uint64
	minutes float64
	atOnce  int
	bin     string
	// settle is how long the stories under way may take to end when nothing is taken away any more.
	settle time.Duration
	keep   bool
}

func main() {
	lifecycle.MaybeGuard()
	var o options
	flag.Uint64Var(&o.seed, "seed", 0, "decides what goes wrong when; 0 = by the clock")
	flag.Float64Var(&o.minutes, "minutes", 3, "how long things go wrong")
	flag.IntVar(&o.atOnce, "at-once", 8, "stories at once")
	flag.StringVar(&o.bin, "bin", "bin/mshub", "the mshub to try")
	flag.DurationVar(&o.settle, "settle", 4*time.Minute, "how long the last runs may take to end")
	flag.BoolVar(&o.keep, "keep", false, "keep the directory with logs and data also when all is well")
	flag.Parse()
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano() % 1_000_000)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) error {
	redis.LogTo(slog.New(slog.DiscardHandler))
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return err
	}
	if _, err := os.Stat(bin); err != nil {
		return fmt.Errorf("%s is missing: run `make build` first", o.bin)
	}
	dir, err := os.MkdirTemp("", "mshub-chaos-")
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL's user must enter it
		return err
	}
	length := time.Duration(o.minutes * float64(time.Minute))
	faults := plan(o.seed, length)
	fmt.Fprintf(out, "seed %d, %s, %d faults, %d stories at once\n", o.seed, length, len(faults), o.atOnce)

	err = try(ctx, o, bin, dir, faults, out)
	if err != nil || o.keep {
		fmt.Fprintln(out, "logs:", dir)
		return err
	}
	return os.RemoveAll(dir)
}

func try(ctx context.Context, o options, bin, dir string, faults []fault, out io.Writer) error {
	starting, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	log := slog.New(slog.DiscardHandler)
	e, err := startEngines(starting, dir, log)
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
	h, err := startHouse(starting, bin, dir, e, post.address())
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
	fmt.Fprintf(out, "all stories told after %.0f s\n", time.Since(began).Seconds())
	db, err := pgx.Connect(ctx, e.postgres.URL())
	if err != nil {
		return err
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	j := &judge{db: db, house: h, stage: s}
	if err := j.quiet(playing); err != nil {
		return err
	}
	return j.verdict(ctx, out)
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
	odd := &tally{}
	machine := &token{fetch: clientCredentials(h.edge, made.ClientID, made.ClientSecret, scope)}
	hands := &http.Client{Timeout: 30 * time.Second}
	return &stage{
		seed: seed, post: post, origin: h.edge,
		api:    &client{h.edge, hands, machine, odd},
		upload: &client{h.core, hands, machine, odd},
		admin:  &client{h.edge, hands, &token{fetch: ada.session}, odd},
	}, nil
}

var errBroken = errors.New("a promise was broken")

// quiet waits until nothing is under way any more: what stories caused beside their own run, such as webhooks, goes on
// after them. That it never ends is for the invariants to say.
func (j *judge) quiet(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := j.number(ctx, `SELECT (SELECT count(*) FROM runs.run WHERE ended_at IS NULL) + (SELECT count(*) FROM events.fact WHERE processed_at IS NULL)`)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		wait(ctx, pollInterval)
	}
	return nil
}

// verdict says which invariants hold.
func (j *judge) verdict(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	s := j.stage
	told := map[string]int{}
	for _, st := range s.stories {
		told[string(st.kind)+" -> "+st.state]++
	}
	for _, what := range sorted(told) {
		fmt.Fprintf(out, "  %4d  %s\n", told[what], what)
	}
	for _, what := range sorted(s.api.odd.count) {
		fmt.Fprintf(out, "  odd answer, %d times: %s\n", s.api.odd.count[what], what)
	}
	broken := false
	for _, i := range invariants {
		looked, faults, err := i.check(ctx, j)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", i.sentence, err)
		case len(faults) == 0:
			fmt.Fprintf(out, "ok    %s (%d)\n", i.sentence, looked)
			continue
		}
		broken = true
		fmt.Fprintf(out, "FAIL  %s (%d of %d)\n", i.sentence, len(faults), looked)
		for _, f := range faults[:min(len(faults), 10)] {
			fmt.Fprintln(out, "        "+f)
		}
	}
	if broken {
		return errBroken
	}
	return nil
}

func sorted(counts map[string]int) []string {
	keys := make([]string, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
