package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// view follows a run's live feed from its first event to its end, coming back with the last place after each break, as a
// browser does. It returns what was wrong with what it saw: a gap, or an event twice.
func (s *stage) view(ctx context.Context, run string) error {
	last := 0
	for {
		done, err := s.viewOnce(ctx, run, &last)
		if done || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the feed of %s did not come to an end; last event %d: %w", run, last, context.Cause(ctx))
		}
		wait(ctx, pollInterval)
	}
}

// viewOnce is one connection. Only a wrong order is an error: that a connection breaks is what a viewer is used to.
func (s *stage) viewOnce(ctx context.Context, run string, last *int) (done bool, err error) {
	bearer, err := s.api.token.get(ctx)
	if err != nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.origin+"/live/events?topic=run:"+strings.TrimPrefix(run, "runs/"), nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Last-Event-ID", strconv.Itoa(*last))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, nil
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusUnauthorized {
		s.api.token.forget()
	}
	if res.StatusCode != http.StatusOK {
		return false, nil
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var event struct{ Seq, Kind, State string }
		if json.Unmarshal([]byte(data), &event) != nil || event.Seq == "" {
			continue // a hint, or the end of the token
		}
		seq, err := strconv.Atoi(event.Seq)
		if err != nil {
			return false, err
		}
		if event.Kind == "" { // a snapshot: what was before need not be told
			*last = seq
			continue
		}
		if seq != *last+1 {
			return true, fmt.Errorf("the feed of %s gave event %d after %d", run, seq, *last)
		}
		*last = seq
		if kind, found := strings.CutPrefix(event.Kind, "run."); found && slices.Contains(ends, strings.ToUpper(kind)) {
			return true, nil
		}
	}
	return false, nil
}
