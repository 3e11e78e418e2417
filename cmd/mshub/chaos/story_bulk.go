package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
)

// tellBulk commands several runs at once, by a filter: onboardings that wait for their people, and one that waits in line
// behind the one before, because its key is the same. A pause reaches all but that one; a cancel reaches all; a retry has
// each of them begin again.
func (s *stage) tellBulk(ctx context.Context, st *story, random *rand.Rand) error {
	people := 2 + random.IntN(4)
	var some []*story
	var keys []string
	for i := range people + 1 {
		one := s.enlist(st.number, commanded, fmt.Sprintf("%s-%d", st.key, i))
		one.email = fmt.Sprintf("bulk-%d-%d@example.com", st.number, min(i, people-1))
		if err := s.invite(ctx, one, random); err != nil {
			return err
		}
		some = append(some, one)
		if i < people {
			keys = append(keys, `key="`+one.email+`"`)
		}
	}
	filter := strings.Join(keys, " OR ")
	if random.IntN(2) == 0 {
		if _, err := s.commandMany(ctx, st, random, "PAUSE", filter, people, 1); err != nil {
			return err
		}
	}
	if _, err := s.commandMany(ctx, st, random, "CANCEL", filter, people+1, 0); err != nil {
		return err
	}
	if err := s.endAll(ctx, some); err != nil || random.IntN(2) == 0 {
		return err
	}
	retry, err := s.commandMany(ctx, st, random, "RETRY", filter, people+1, 0)
	if err != nil {
		return err
	}
	again, err := s.retried(ctx, st, retry, filter)
	if err != nil {
		return err
	}
	if _, err := s.commandMany(ctx, st, random, "CANCEL", filter, people+1, 0); err != nil {
		return err
	}
	return s.endAll(ctx, again)
}

// commandMany starts the run that commands, and waits for its end.
func (s *stage) commandMany(ctx context.Context, st *story, random *rand.Rand, command, filter string, reaches, refuses int) (*story, error) {
	c := s.enlist(st.number, commanding, fmt.Sprintf("%s-%s-%d", st.key, strings.ToLower(command), random.Uint32()))
	c.command, c.reaches, c.refuses = command, reaches, refuses
	if err := s.start(ctx, c, random, "runbulk", map[string]any{"command": command, "filter": filter, "reason": reasonGiven}); err != nil {
		return c, err
	}
	return c, s.end(ctx, c)
}

// retried are the runs that a retry of many made, as stories: of each it is known by which key it was made.
func (s *stage) retried(ctx context.Context, st, retry *story, filter string) ([]*story, error) {
	list, err := s.api.do(ctx, http.MethodGet, listOf("runs", filter), "", nil)
	if err != nil {
		return nil, err
	}
	var some []*story
	runs, _ := list["runs"].([]any)
	for _, r := range runs {
		run, _ := r.(map[string]any)
		from := text(run["retriedFrom"])
		if from == "" {
			continue
		}
		one := s.enlist(st.number, commanded, fmt.Sprintf("bulk/%s/%s", id(retry.run), id(from)))
		one.run, one.method = text(run["name"]), "RetryRun"
		some = append(some, one)
	}
	return some, nil
}

func (s *stage) endAll(ctx context.Context, some []*story) error {
	for _, one := range some {
		if err := s.end(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// listOf is the address of a list.
func listOf(collection, filter string) string {
	return "/v1/" + collection + "?pageSize=1000&filter=" + url.QueryEscape(filter)
}
