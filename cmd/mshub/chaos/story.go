package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
)

// story is one run as its users live it, and what they were promised: the invariants are checked against it.
type story struct {
	number int
	kind   storyKind
	key    string // Idempotency-Key of the start
	run    string // "runs/ID", once accepted
	state  string // its end, as the API told

	// Of an import.
	dataset       string
	rows, rejects int
	mode          string
	keep          bool   // of a cancel: what was written stays
	export        string // "runs/ID" of the export that followed, if one did
	exported      string // how many records it told

	// Of an onboarding.
	email    string
	task     string
	decision string // the one that was accepted
	// accepted counts the decisions that were answered with success.
	accepted int

	cancelled bool // a cancel was accepted
	err       error

	viewed  chan struct{} // closed when a viewer of its feed has seen all of it; nil if there is none
	viewErr error
}

type storyKind string

const (
	importing    storyKind = "import"
	importPaused storyKind = "import, paused and resumed"
	importCancel storyKind = "import, cancelled"
	hiring       storyKind = "onboarding, decided"
	hiringCancel storyKind = "onboarding, cancelled"
	oneStep      storyKind = "a run of one step that fails"
)

// kinds is drawn from: what stands twice comes twice as often.
var kinds = []storyKind{importing, importing, importPaused, importCancel, hiring, hiring, hiring, hiringCancel, oneStep, oneStep}

// stage is what all stories share.
type stage struct {
	seed   uint64
	api    *client // the machine client, at the edge
	upload *client // the same, at the role that takes files
	admin  *client // a person
	post   *postbox
	hook   *receiver
	origin string

	mu      sync.Mutex
	stories []*story
}

// play tells stories, some at once, until the time is over; then it waits for the ends of those under way.
func (s *stage) play(ctx context.Context, until time.Time, atOnce int) {
	var players sync.WaitGroup
	next := 0
	for range atOnce {
		players.Go(func() {
			for time.Now().Before(until) && ctx.Err() == nil {
				s.mu.Lock()
				next++
				st := &story{number: next, key: fmt.Sprintf("chaos-%d-%d", s.seed, next)}
				s.stories = append(s.stories, st)
				s.mu.Unlock()
				random := rand.New(rand.NewPCG(s.seed, uint64(st.number))) // the same story for the same seed
				st.kind = kinds[random.IntN(len(kinds))]
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
			out, errs[i] = s.api.do(ctx, http.MethodPost, "/v1/runs", st.key, map[string]any{"process": process, "input": input})
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
		run, err := s.api.do(ctx, http.MethodGet, "/v1/"+st.run, "", nil)
		if err != nil {
			return err
		}
		st.state = text(run["state"])
		if slices.Contains(ends, st.state) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s is still %s in step %s: %w", st.run, st.state, text(run["step"]), context.Cause(ctx))
		}
		wait(ctx, pollInterval)
	}
}

// command steers a run; that it was too late is no fault, and an earlier attempt whose answer was lost may be why.
func (s *stage) command(ctx context.Context, st *story, verb string) (accepted bool, err error) {
	body := map[string]any{"reason": "chaos"}
	if st.keep {
		body["keep"] = true
	}
	_, err = s.api.do(ctx, http.MethodPost, "/v1/"+st.run+":"+verb, st.key+"-"+verb, body)
	if refused(err, "failed_precondition") {
		return false, nil
	}
	return err == nil, err
}

func (s *stage) tellImport(ctx context.Context, st *story, random *rand.Rand) error {
	st.rows = 500 + random.IntN(30_000)
	content, rejects := table(random, st.rows)
	st.rejects = rejects
	id := fmt.Sprintf("chaos-%d", st.number)
	st.dataset = "datasets/" + id
	if _, err := s.api.do(ctx, http.MethodPost, "/v1/datasets?datasetId="+id, st.key+"-dataset", map[string]any{
		"title": id, "key": []string{"id"},
		"schema": map[string]any{"type": "object", "required": []string{"id"}, "properties": map[string]any{
			"id": map[string]any{"type": "integer"}, "name": map[string]any{"type": "string"}, "amount": map[string]any{"type": "number"},
		}},
	}); err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	file, err := s.upload.upload(ctx, id+".csv", content)
	if err != nil {
		return err
	}
	st.mode = []string{"INSERT", "UPSERT", "REPLACE"}[random.IntN(3)]
	if err := s.start(ctx, st, random, "recordimport", map[string]any{"file": file, "dataset": st.dataset, "mode": st.mode}); err != nil {
		return err
	}
	switch st.kind {
	case importPaused:
		paused, err := s.command(ctx, st, "pause")
		if err != nil {
			return fmt.Errorf("pause: %w", err)
		}
		wait(ctx, time.Duration(random.IntN(3000))*time.Millisecond)
		if !paused {
			run, err := s.api.do(ctx, http.MethodGet, "/v1/"+st.run, "", nil)
			if err != nil {
				return err
			}
			paused = text(run["state"]) == "PAUSED"
		}
		if paused {
			if _, err := s.command(ctx, st, "resume"); err != nil {
				return fmt.Errorf("resume: %w", err)
			}
		}
	case importCancel:
		st.keep = random.IntN(2) == 0
		wait(ctx, time.Duration(random.IntN(2000))*time.Millisecond)
		if st.cancelled, err = s.command(ctx, st, "cancel"); err != nil {
			return fmt.Errorf("cancel: %w", err)
		}
	}
	if err := s.end(ctx, st); err != nil || st.kind != importing || st.state != "COMPLETED" || random.IntN(3) > 0 {
		return err
	}
	return s.tellExport(ctx, st)
}

// tellExport has what was imported written into a file again.
func (s *stage) tellExport(ctx context.Context, st *story) error {
	started, err := s.api.do(ctx, http.MethodPost, "/v1/runs", st.key+"-export", map[string]any{"process": "recordexport", "input": map[string]any{"dataset": st.dataset}})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	st.export = text(started["name"])
	for {
		run, err := s.api.do(ctx, http.MethodGet, "/v1/"+st.export, "", nil)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		switch state := text(run["state"]); {
		case state == "COMPLETED":
			result, _ := run["result"].(map[string]any)
			st.exported = text(result["rows"])
			return nil
		case slices.Contains(ends, state):
			return fmt.Errorf("export %s ended %s: %v", st.export, state, run["error"])
		}
		wait(ctx, pollInterval)
	}
}

// table is a CSV file with some rows that do not fit: no number, no key, a key that was there before.
func table(random *rand.Rand, rows int) (content []byte, rejects int) {
	var b bytes.Buffer
	b.WriteString("id,name,amount\n")
	for row := 1; row <= rows; row++ {
		switch random.IntN(500) {
		case 0:
			fmt.Fprintf(&b, "%d,no number,much\n", row)
			rejects++
		case 1:
			fmt.Fprintf(&b, ",no key,%d\n", row)
			rejects++
		case 2:
			fmt.Fprintf(&b, "%d,\"a quoted\nnewline, and a comma\",0.5\n", row)
		default:
			fmt.Fprintf(&b, "%d,name %d,%d.25\n", row, row, row%1000)
		}
	}
	return b.Bytes(), rejects
}

func (s *stage) tellOnboarding(ctx context.Context, st *story, random *rand.Rand) error {
	st.email = fmt.Sprintf("person-%d@example.com", st.number)
	input := map[string]any{"email": st.email, "displayName": fmt.Sprintf("Person %d", st.number), "role": "member", "approver": ""}
	if st.kind == oneStep {
		input["approver"] = "nobody@example.com"
	}
	if err := s.start(ctx, st, random, "onboarding", input); err != nil {
		return err
	}
	if st.kind == oneStep {
		return s.end(ctx, st)
	}
	link, err := s.post.link(ctx, st.email)
	if err != nil {
		return err
	}
	if st.kind == hiringCancel && random.IntN(2) == 0 {
		return s.cancel(ctx, st)
	}
	if err := s.accept(ctx, st, link); err != nil {
		return err
	}
	if st.task, err = s.task(ctx, st); err != nil {
		return err
	}
	if st.kind == hiringCancel {
		return s.cancel(ctx, st)
	}
	if err := s.decide(ctx, st, random); err != nil {
		return err
	}
	return s.end(ctx, st)
}

// cancel sends the same cancel twice at once.
func (s *stage) cancel(ctx context.Context, st *story) error {
	var sending sync.WaitGroup
	var errs [2]error
	var accepted [2]bool
	for i := range errs {
		sending.Go(func() { accepted[i], errs[i] = s.command(ctx, st, "cancel") })
	}
	sending.Wait()
	st.cancelled = accepted[0] || accepted[1]
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	return s.end(ctx, st)
}

// accept follows the invitation; a link that was used is one that worked.
func (s *stage) accept(ctx context.Context, st *story, link string) error {
	p := newPerson(s.origin)
	for tried := false; ; tried = true {
		err := p.submit(ctx, link, map[string]string{"password": password})
		if err == nil || (tried && errors.Is(err, errNoForm)) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("accepting the invitation of %s: %w; last: %w", st.email, context.Cause(ctx), err)
		}
		wait(ctx, time.Second)
	}
}

// task waits for the run's open task.
func (s *stage) task(ctx context.Context, st *story) (string, error) {
	path := "/v1/tasks?filter=" + strings.ReplaceAll(`run="`+st.run+`"`, `"`, "%22")
	for {
		list, err := s.admin.do(ctx, http.MethodGet, path, "", nil)
		if err != nil {
			return "", err
		}
		if tasks, _ := list["tasks"].([]any); len(tasks) > 0 {
			first, _ := tasks[0].(map[string]any)
			return text(first["name"]), nil
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("no task of %s: %w", st.run, context.Cause(ctx))
		}
		wait(ctx, pollInterval)
	}
}

// decide sends up to three decisions at once, not all the same: exactly one may win.
func (s *stage) decide(ctx context.Context, st *story, random *rand.Rand) error {
	decisions := make([]string, 1+random.IntN(3))
	for i := range decisions {
		decisions[i] = []string{"APPROVE", "APPROVE", "REJECT"}[random.IntN(3)]
	}
	errs := make([]error, len(decisions))
	var sending sync.WaitGroup
	for i, decision := range decisions {
		sending.Go(func() {
			_, errs[i] = s.admin.do(ctx, http.MethodPost, "/v1/"+st.task+":decide", fmt.Sprintf("%s-decide-%d", st.key, i), map[string]any{"decision": decision, "reason": "chaos"})
		})
	}
	sending.Wait()
	for i, err := range errs {
		switch {
		case err == nil:
			st.accepted++
			st.decision = decisions[i]
		case !refused(err, "failed_precondition"):
			return fmt.Errorf("decide: %w", err)
		}
	}
	return nil
}
