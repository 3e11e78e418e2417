package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// pollInterval spares the machine while somebody waits for something.
	pollInterval = 300 * time.Millisecond
	// feedPatience ends a feed that is silent, because the other side was killed without a word.
	feedPatience = 30 * time.Second
	// reasonGiven comes with every command.
	reasonGiven = "chaos"
)

// story is one run as its users live it, and what they were promised: the invariants are checked against it.
type story struct {
	number int
	kind   storyKind
	// by starts it, steer commands it: the machine client, unless somebody else must.
	by, steer *client
	method    string // that made the run: StartRun, RetryRun
	key       string // Idempotency-Key of the start
	run       string // "runs/ID", once accepted
	state     string // its end, as the API told
	result    map[string]any

	// Of an import.
	dataset       string
	rows, rejects int
	mode          string
	keep          bool   // of a cancel: what was written stays
	export        string // "runs/ID" of the export that followed, if one did
	exported      string // how many records it told

	// Of an onboarding.
	email, role string
	ballots     []ballot

	// Of a bulk command: how many runs it must reach, and how many must refuse.
	command          string
	reaches, refuses int

	// sent and accepted count commands, by their verb: those given, and those that were answered with success.
	sent, accepted map[string]int
	err            error

	viewed  chan struct{} // closed when a viewer of its feed has seen all of it; nil if there is none
	viewErr error
}

// ballot is what came of the decisions sent for one task.
type ballot struct {
	task     string
	decision string // the one that was accepted
	accepted int
}

// decision is the one that was accepted last.
func (st *story) decision() string {
	for _, b := range slices.Backward(st.ballots) {
		if b.accepted > 0 {
			return b.decision
		}
	}
	return ""
}

type storyKind string

const (
	importing    storyKind = "import"
	importPaused storyKind = "import, paused and resumed"
	importCancel storyKind = "import, cancelled"
	importOver   storyKind = "import over records, cancelled"
	importBase   storyKind = "import of those records"
	hiring       storyKind = "onboarding, decided"
	hiringCancel storyKind = "onboarding, cancelled"
	hiringReset  storyKind = "onboarding, reset to a step"
	oneStep      storyKind = "a run of one step that fails"
	parkedRetry  storyKind = "erasure, parked and retried"
	parkedSkip   storyKind = "erasure, parked and skipped"
	bulk         storyKind = "many runs, commanded at once"
	// Runs of a bulk story: those that command, and those that are commanded.
	commanding storyKind = "bulk command"
	commanded  storyKind = "onboarding, in a bulk"
)

// kinds is drawn from: what stands twice comes twice as often.
var kinds = []storyKind{
	importing, importing, importPaused, importCancel, importOver, hiring, hiring, hiringCancel, hiringReset, hiringReset, oneStep, oneStep,
	parkedRetry, parkedSkip, bulk,
}

// stage is what all stories share.
type stage struct {
	seed   uint64
	api    *client // the machine client, at the edge
	upload *client // the same, at the role that takes files
	admin  *client // a person
	odd    *tally  // what all clients met
	post   *postbox
	hook   *receiver
	origin string

	mu      sync.Mutex
	stories []*story
}

func (s *stage) client(base string, t *token) *client {
	return &client{base, &http.Client{Timeout: 30 * time.Second}, t, s.odd}
}

// enlist makes a story that the invariants will look at.
func (s *stage) enlist(number int, kind storyKind, key string) *story {
	st := &story{number: number, kind: kind, key: key, by: s.api, steer: s.api, method: "StartRun", role: "member", sent: map[string]int{}, accepted: map[string]int{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stories = append(s.stories, st)
	return st
}

// play tells stories, some at once, until the time is over; then it waits for the ends of those under way.
func (s *stage) play(ctx context.Context, until time.Time, atOnce int) {
	var players sync.WaitGroup
	var mu sync.Mutex
	next := 0
	for range atOnce {
		players.Go(func() {
			for time.Now().Before(until) && ctx.Err() == nil {
				mu.Lock()
				next++
				number := next
				mu.Unlock()
				random := rand.New(rand.NewPCG(s.seed, uint64(number))) // the same story for the same seed
				st := s.enlist(number, kinds[random.IntN(len(kinds))], fmt.Sprintf("chaos-%d-%d", s.seed, number))
				st.err = s.tell(ctx, st, random)
			}
		})
	}
	players.Wait()
}

func (s *stage) tell(ctx context.Context, st *story, random *rand.Rand) error {
	switch st.kind {
	case importing, importPaused, importCancel:
		return s.tellImport(ctx, st, random)
	case importOver:
		return s.tellOver(ctx, st, random)
	case hiringReset:
		return s.tellReset(ctx, st, random)
	case parkedRetry, parkedSkip:
		return s.tellParked(ctx, st, random)
	case bulk:
		return s.tellBulk(ctx, st, random)
	default:
		return s.tellOnboarding(ctx, st, random)
	}
}

// start sends the same start up to three times at once: all must be the same run.
func (s *stage) start(ctx context.Context, st *story, random *rand.Rand, process string, input map[string]any) error {
	names := make([]string, 1+random.IntN(3))
	errs := make([]error, len(names))
	var sending sync.WaitGroup
	for i := range names {
		sending.Go(func() {
			var out map[string]any
			out, errs[i] = st.by.do(ctx, http.MethodPost, "/v1/runs", st.key, map[string]any{"process": process, "input": input})
			names[i] = text(out["name"])
		})
	}
	sending.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	st.run = names[0]
	if slices.ContainsFunc(names, func(name string) bool { return name != st.run }) {
		return fmt.Errorf("the same key started %s", strings.Join(names, " and "))
	}
	if random.IntN(3) == 0 {
		st.viewed = make(chan struct{})
		go func() {
			defer close(st.viewed)
			st.viewErr = s.view(ctx, st.run)
		}()
	}
	return nil
}

// ends are the states in which nothing happens any more.
var ends = []string{"COMPLETED", "FAILED", "CANCELLED", "TERMINATED", "TIMED_OUT", "LOST"}

// end waits for the run's end.
func (s *stage) end(ctx context.Context, st *story) error {
	for {
		ended, err := s.look(ctx, st)
		if ended || err != nil {
			return err
		}
		wait(ctx, pollInterval)
	}
}

// look asks whether the run has ended, and keeps how. It is an error if it has not and the time is up.
func (s *stage) look(ctx context.Context, st *story) (ended bool, err error) {
	run, err := s.api.do(ctx, http.MethodGet, "/v1/"+st.run, "", nil)
	if err != nil {
		return false, err
	}
	st.state = text(run["state"])
	if slices.Contains(ends, st.state) {
		st.result, _ = run["result"].(map[string]any)
		return true, nil
	}
	if ctx.Err() != nil {
		return false, fmt.Errorf("%s is still %s in step %s: %w", st.run, st.state, text(run["step"]), context.Cause(ctx))
	}
	return false, nil
}

// methods are those that a command's audit row names.
var methods = map[string]string{
	"pause": "PauseRun", "resume": "ResumeRun", "cancel": "CancelRun", "reset": "ResetRun", "retryStep": "RetryStep", "skipStep": "SkipStep",
}

// command steers a run; see commandAtOnce.
func (s *stage) command(ctx context.Context, st *story, verb string, more map[string]any) (accepted bool, err error) {
	return s.commandAtOnce(ctx, st, 1, verb, more)
}

// commandAtOnce sends the same command n times at once, under one key: it may take effect once. That it was too late is no
// fault; one that was refused is sent under the same key if the story sends it again.
func (s *stage) commandAtOnce(ctx context.Context, st *story, n int, verb string, more map[string]any) (accepted bool, err error) {
	body := map[string]any{"reason": reasonGiven}
	maps.Copy(body, more)
	key := fmt.Sprintf("%s-%s-%d", st.key, verb, st.accepted[verb])
	st.sent[verb] = st.accepted[verb] + 1
	var sending sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		sending.Go(func() {
			_, errs[i] = st.steer.do(ctx, http.MethodPost, "/v1/"+st.run+":"+verb, key, body)
		})
	}
	sending.Wait()
	for _, err := range errs {
		switch {
		case err == nil:
			accepted = true
		case !refused(err, "failed_precondition"):
			return false, fmt.Errorf("%s: %w", verb, err)
		}
	}
	if accepted {
		st.accepted[verb]++
	}
	return accepted, nil
}
