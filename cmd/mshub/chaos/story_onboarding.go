package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// decisions are drawn from.
var decisions = []string{"APPROVE", "APPROVE", "REJECT"}

func (s *stage) tellOnboarding(ctx context.Context, st *story, random *rand.Rand) error {
	st.email = fmt.Sprintf("person-%d@example.com", st.number)
	if err := s.invite(ctx, st, random); err != nil {
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
	return s.join(ctx, st, random, link, decisions)
}

// invite starts the onboarding of the story's person.
func (s *stage) invite(ctx context.Context, st *story, random *rand.Rand) error {
	input := map[string]any{"email": st.email, "displayName": "Person " + st.email, "role": st.role, "approver": ""}
	if st.kind == oneStep {
		input["approver"] = "nobody@example.com"
	}
	return s.start(ctx, st, random, "onboarding", input)
}

// join follows the link, and has the onboarding decided or cancelled.
func (s *stage) join(ctx context.Context, st *story, random *rand.Rand, link string, choices []string) error {
	if err := s.accept(ctx, st, link); err != nil {
		return err
	}
	task, err := s.task(ctx, st)
	if err != nil {
		return err
	}
	if st.kind == hiringCancel {
		return s.cancel(ctx, st)
	}
	if err := s.decide(ctx, st, random, task, choices); err != nil {
		return err
	}
	return s.end(ctx, st)
}

// cancel sends the same cancel twice at once.
func (s *stage) cancel(ctx context.Context, st *story) error {
	if _, err := s.commandAtOnce(ctx, st, 2, "cancel", nil); err != nil {
		return err
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
	for {
		task, err := s.openTask(ctx, st)
		if task != "" || err != nil {
			return task, err
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("no task of %s: %w", st.run, context.Cause(ctx))
		}
		wait(ctx, pollInterval)
	}
}

// openTask is the run's task that can be decided now; "" if there is none.
func (s *stage) openTask(ctx context.Context, st *story) (string, error) {
	list, err := s.admin.do(ctx, http.MethodGet, listOf("tasks", `run="`+st.run+`" AND state="OPEN"`), "", nil)
	if err != nil {
		return "", err
	}
	tasks, _ := list["tasks"].([]any)
	if len(tasks) == 0 {
		return "", nil
	}
	first, _ := tasks[0].(map[string]any)
	return text(first["name"]), nil
}

// decide sends up to three decisions at once, not all the same, and each of them twice: exactly one may win, and who sends
// the same again hears the same again.
func (s *stage) decide(ctx context.Context, st *story, random *rand.Rand, task string, choices []string) error {
	sent := make([]string, 1+random.IntN(3))
	for i := range sent {
		sent[i] = choices[random.IntN(len(choices))]
	}
	errs := make([][2]error, len(sent))
	var sending sync.WaitGroup
	for i, decision := range sent {
		for twin := range 2 {
			sending.Go(func() {
				key := fmt.Sprintf("%s-decide-%d-%d", st.key, len(st.ballots), i)
				_, errs[i][twin] = s.admin.do(ctx, http.MethodPost, "/v1/"+task+":decide", key, map[string]any{"decision": decision, "reason": reasonGiven})
			})
		}
	}
	sending.Wait()
	b := ballot{task: task}
	for i, answers := range errs {
		if j := slices.IndexFunc(answers[:], func(err error) bool { return err != nil && !refused(err, "failed_precondition") }); j >= 0 {
			return fmt.Errorf("decide: %w", answers[j])
		}
		if (answers[0] == nil) != (answers[1] == nil) {
			return fmt.Errorf("the same decision about %s, sent twice, was taken and refused: %w", task, errors.Join(answers[:]...))
		}
		if answers[0] == nil {
			b.accepted++
			b.decision = sent[i]
		}
	}
	st.ballots = append(st.ballots, b)
	return nil
}
