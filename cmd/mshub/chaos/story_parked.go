package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
)

// parkedStep is refused while the administrator who started the erasure is none any more.
const parkedStep = "account"

// tellParked has an erasure park: while it runs, who started it loses the role, and the account is not deleted. The
// operator may try again in vain; when the role is back, the step is tried again, or skipped.
func (s *stage) tellParked(ctx context.Context, st *story, random *rand.Rand) error {
	starter, membership, err := s.appoint(ctx, st, random)
	if err != nil {
		return err
	}
	st.by, st.steer = starter, s.admin
	if err := s.start(ctx, st, random, "erasure", map[string]any{"user": fmt.Sprintf("ghost-%d@example.com", st.number), "reason": reasonGiven}); err != nil {
		return err
	}
	task, err := s.task(ctx, st)
	if err != nil {
		return err
	}
	if err := s.give(ctx, membership, "member"); err != nil {
		return err
	}
	if err := s.decide(ctx, st, random, task, []string{"APPROVE"}); err != nil {
		return err
	}
	if err := s.parked(ctx, st, 1); err != nil {
		return err
	}
	if random.IntN(2) == 0 {
		if _, err := s.command(ctx, st, "retryStep", nil); err != nil {
			return err
		}
		if err := s.parked(ctx, st, 2); err != nil {
			return err
		}
	}
	if err := s.give(ctx, membership, "admin"); err != nil {
		return err
	}
	return s.unpark(ctx, st)
}

// unpark commands until the run goes on: the journal may say that it is parked a moment before the run knows.
func (s *stage) unpark(ctx context.Context, st *story) error {
	verb, more := "retryStep", map[string]any{}
	if st.kind == parkedSkip {
		verb, more = "skipStep", map[string]any{"step": parkedStep}
	}
	for {
		if ended, err := s.look(ctx, st); ended || err != nil {
			return err
		}
		run, err := s.api.do(ctx, http.MethodGet, "/v1/"+st.run, "", nil)
		if err != nil {
			return err
		}
		if run["parked"] == true {
			if _, err := s.commandAtOnce(ctx, st, 2, verb, more); err != nil {
				return err
			}
		}
		wait(ctx, pollInterval)
	}
}

// parked waits until the journal has it so many times that the run is parked.
func (s *stage) parked(ctx context.Context, st *story, times int) error {
	for {
		list, err := s.api.do(ctx, http.MethodGet, "/v1/"+st.run+"/events?pageSize=1000", "", nil)
		if err != nil {
			return err
		}
		events, _ := list["events"].([]any)
		n := 0
		for _, e := range events {
			if event, _ := e.(map[string]any); event["kind"] == "run.parked" {
				n++
			}
		}
		if n >= times {
			return nil
		}
		if ended, err := s.look(ctx, st); ended || err != nil {
			return fmt.Errorf("%s was parked %d times, not %d, and is %s: %w", st.run, n, times, st.state, err)
		}
		wait(ctx, pollInterval)
	}
}

// appoint brings an administrator in, whose onboarding is a story of its own: only a person can give that role, so another
// administrator starts it. It returns the newcomer as a client, and the membership.
func (s *stage) appoint(ctx context.Context, st *story, random *rand.Rand) (*client, string, error) {
	hired := s.enlist(st.number, hiring, st.key+"-starter")
	hired.email, hired.role, hired.by = fmt.Sprintf("admin-%d@example.com", st.number), "admin", s.admin
	err := s.invite(ctx, hired, random)
	if err == nil {
		var link string
		if link, err = s.post.link(ctx, hired.email); err == nil {
			err = s.join(ctx, hired, random, link, []string{"APPROVE"})
		}
	}
	if err == nil && hired.state != "COMPLETED" {
		err = fmt.Errorf("%s ended %s", hired.run, hired.state)
	}
	if err != nil {
		return nil, "", fmt.Errorf("appointing an administrator: %w", err)
	}
	p := newPerson(s.origin)
	err = p.signIn(ctx, hired.email)
	return s.client(s.origin, &token{fetch: p.session}), text(hired.result["membership"]), err
}

// give sets the one role of a member.
func (s *stage) give(ctx context.Context, membership, role string) error {
	if _, err := s.admin.do(ctx, http.MethodPatch, "/v1/"+membership, "", map[string]any{"roles": []string{role}}); err != nil {
		return fmt.Errorf("giving the role %s: %w", role, err)
	}
	return nil
}
