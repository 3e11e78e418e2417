package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// measurePause pauses one import again and again, always when some more chunks are done. From the moment at which the
// command was sent it counts when the last chunk was begun, and when the last one that was under way was done: then
// nothing moves any more. The times are the journal's. The import then goes on, and must add every row in the end.
func measurePause(ctx context.Context, s sizes) ([]Figure, error) {
	dir, err := os.MkdirTemp("", "mshub-bench-rows-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	rows, err := generate(filepath.Join(dir, "rows.csv"), s.rows, s.width)
	if err != nil {
		return nil, err
	}
	i, err := newImporter(ctx, rows)
	if err != nil {
		return nil, err
	}
	defer i.close()
	input, err := i.input()
	if err != nil {
		return nil, err
	}
	var started run
	if err := i.call(http.MethodPost, "/v1/runs", map[string]any{"process": "recordimport", "input": input}, &started); err != nil {
		return nil, err
	}
	p := &paused{rig: i.rig, run: started.Name}
	var answered, begun, done []float64
	for range s.pauses {
		if err := p.waitFor(ctx, 3); err != nil {
			return nil, err
		}
		sent := time.Now()
		if err := p.command("pause"); err != nil {
			return nil, err
		}
		answered = append(answered, time.Since(sent).Seconds())
		lastBegun, lastDone, err := p.quiet(ctx)
		if err != nil {
			return nil, err
		}
		begun = append(begun, max(lastBegun.Sub(sent).Seconds(), 0))
		done = append(done, max(lastDone.Sub(sent).Seconds(), 0))
		if err := p.command("resume"); err != nil {
			return nil, err
		}
	}
	if started, err = i.wait(started); err != nil {
		return nil, err
	}
	if err := i.complete(started); err != nil {
		return nil, err
	}
	return []Figure{
		figure("pause of a running import: answered", "s", "-", answered, "", nil),
		figure("no chunk begun any more", "s", "max <= 5", begun, "", nil),
		figure("nothing under way any more", "s", "max <= 5", done, "", nil),
	}, nil
}

// paused reads the journal of a run that is paused and resumed.
type paused struct {
	*rig
	run string
	// seq is how far it was read.
	seq int64
}

// line is what is read of an event.
type line struct {
	Kind string
	Step string
	Time time.Time
	Seq  int64 `json:",string"`
}

func (p *paused) command(name string) error {
	return p.call(http.MethodPost, "/v1/"+p.run+":"+name, map[string]string{"reason": "bench"}, &run{})
}

// lines are those of the journal that were not read yet.
func (p *paused) lines() ([]line, error) {
	var page struct{ Events []line }
	err := p.call(http.MethodGet, fmt.Sprintf("/v1/%s/events?after=%d&pageSize=1000", p.run, p.seq), nil, &page)
	if n := len(page.Events); n > 0 {
		p.seq = page.Events[n-1].Seq
	}
	return page.Events, err
}

// waitFor reads until so many more chunks are done.
func (p *paused) waitFor(ctx context.Context, chunks int) error {
	for ctx.Err() == nil {
		lines, err := p.lines()
		if err != nil {
			return err
		}
		for _, l := range lines {
			if l.Kind == "run.completed" || l.Kind == "run.failed" {
				return fmt.Errorf("the import ended before the next pause (%s); give it more rows", l.Kind)
			}
			if l.Kind == "step.succeeded" && l.Step == "chunks" {
				chunks--
			}
		}
		if chunks <= 0 {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return ctx.Err()
}

// stillness is how long nothing must have happened for a paused run to be believed.
const stillness = 6 * time.Second

// quiet waits until nothing happens any more, and returns when a chunk was begun and when one was done last.
func (p *paused) quiet(ctx context.Context) (begun, done time.Time, err error) {
	for last := time.Now(); time.Since(last) < stillness; time.Sleep(100 * time.Millisecond) {
		lines, err := p.lines()
		if err != nil || ctx.Err() != nil {
			return begun, done, err
		}
		for _, l := range lines {
			last = time.Now()
			switch {
			case l.Step == "chunks" && l.Kind == "step.started":
				begun = l.Time
			case l.Step == "chunks" && l.Kind == "step.succeeded":
				done = l.Time
			}
		}
	}
	var now run
	if err := p.call(http.MethodGet, "/v1/"+p.run, nil, &now); err != nil {
		return begun, done, err
	}
	if now.State != "PAUSED" {
		err = fmt.Errorf("%s is %s, not paused", p.run, now.State)
	}
	return begun, done, err
}
