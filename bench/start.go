package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// measureStart starts runs over HTTP at a fixed rate, whether the house keeps up or not: each call counts from the moment
// at which it was due. The runs are imports of a file that does not exist, which end at their first step; they are carried
// out meanwhile on the same machine, by the same process. Between samples the house works off what has piled up.
func measureStart(ctx context.Context, s sizes) ([]Figure, error) {
	r, err := newRig(ctx, true)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.up(); err != nil {
		return nil, err
	}
	if err := r.client("runs:write runs:read records:write files:read"); err != nil {
		return nil, err
	}
	dataset := map[string]any{"title": "Bench", "schema": map[string]any{"type": "object", "properties": map[string]any{"id": map[string]any{"type": "string"}}}}
	if err := r.call(http.MethodPost, "/v1/datasets?datasetId=bench", dataset, &struct{}{}); err != nil {
		return nil, err
	}
	start := func() error {
		input := map[string]any{"file": "files/00000000-0000-7000-8000-000000000000", "dataset": "datasets/bench"}
		return r.call(http.MethodPost, "/v1/runs", map[string]any{"process": "recordimport", "input": input}, &run{})
	}
	if _, err := atRate(ctx, s.startRate, 5*time.Second, start); err != nil { // warms up
		return nil, err
	}
	var half, most []float64
	for range min(s.samples, 3) {
		if err := r.idle(ctx); err != nil {
			return nil, err
		}
		durations, err := atRate(ctx, s.startRate, s.startFor, start)
		if err != nil {
			return nil, err
		}
		half, most = append(half, quantile(durations, 0.5)), append(most, quantile(durations, 0.99))
	}
	what := fmt.Sprintf("start accepted, %d a second for %s: ", s.startRate, s.startFor)
	return []Figure{
		figure(what+"p50", "ms", "-", half, "", nil),
		figure(what+"p99", "ms", "median <= 50", most, "", nil),
	}, nil
}

// atRate calls f so many times a second for a while, and returns how long each call took from its due moment on, in
// milliseconds.
func atRate(ctx context.Context, rate int, duration time.Duration, f func() error) ([]float64, error) {
	n := int(duration.Seconds() * float64(rate))
	durations, faults := make([]float64, n), make([]error, n)
	var calls sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		if ctx.Err() != nil {
			break
		}
		calls.Go(func() {
			faults[i] = f()
			durations[i] = milliseconds(time.Since(due))
		})
	}
	calls.Wait()
	return durations, errors.Join(errors.Join(faults...), ctx.Err())
}

// idle waits until no run is open.
func (r *rig) idle(ctx context.Context) error {
	open := url.QueryEscape(`state="STARTING" OR state="QUEUED" OR state="RUNNING" OR state="COMPENSATING"`)
	for ctx.Err() == nil {
		var page struct{ Runs []run }
		if err := r.call(http.MethodGet, "/v1/runs?pageSize=1&filter="+open, nil, &page); err != nil {
			return err
		}
		if len(page.Runs) == 0 {
			return nil
		}
		time.Sleep(time.Second)
	}
	return ctx.Err()
}
