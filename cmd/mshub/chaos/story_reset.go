package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
)

// tellReset has an onboarding go back to a step: before the person came, or when the decision is asked for. What was done
// from there on is undone and done again; a new link comes by mail, the approval is asked for anew.
func (s *stage) tellReset(ctx context.Context, st *story, random *rand.Rand) error {
	st.email = fmt.Sprintf("again-%d@example.com", st.number)
	early, late := []string{"invite", "mail", ""}[random.IntN(3)], []string{"invite", "mail", "approval"}[random.IntN(3)]
	if early != "" && random.IntN(2) == 0 {
		late = ""
	}
	if err := s.invite(ctx, st, random); err != nil {
		return err
	}
	if _, err := s.post.link(ctx, st.email); err != nil {
		return err
	}
	if err := s.reset(ctx, st, random, early); err != nil {
		return err
	}
	p, followed := newPerson(s.origin), ""
	for {
		if ended, err := s.look(ctx, st); ended || err != nil {
			return err
		}
		task, err := s.openTask(ctx, st)
		if err != nil {
			return err
		}
		link, err := s.post.link(ctx, st.email)
		switch {
		case err != nil:
			return err
		case task != "" && late != "":
			err, late = s.reset(ctx, st, random, late), ""
		case task != "":
			err = s.decide(ctx, st, random, task, decisions)
		case link != followed: // the last one that came; one that was used is one that worked
			if errors.Is(p.submit(ctx, link, map[string]string{"password": password}), errNoForm) {
				followed = link
			}
		}
		if err != nil {
			return err
		}
		wait(ctx, pollInterval)
	}
}

// reset sends the same reset once or twice at once.
func (s *stage) reset(ctx context.Context, st *story, random *rand.Rand, step string) error {
	times := 1 + random.IntN(2)
	if step == "" {
		return nil
	}
	_, err := s.commandAtOnce(ctx, st, times, "reset", map[string]any{"step": step})
	return err
}
