package main

import (
	"context"
	"errors"
	"time"
)

// measureMemory starts a house on a fresh directory, then again on the warm one, and reads its resident memory once it is
// quiet.
func measureMemory(ctx context.Context, s sizes) ([]Figure, error) {
	r, err := newRig(ctx, false)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.up(); err != nil {
		return nil, err
	}
	first := r.ready.Seconds()
	r.down()
	var ready, memory []float64
	for range s.memoryRuns {
		if err := r.up(); err != nil {
			return nil, err
		}
		ready = append(ready, r.ready.Seconds())
		time.Sleep(5 * time.Second) // the state in question is "after start", not "during"
		mib, err := resident(r.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		memory = append(memory, mib)
		r.down()
	}
	return []Figure{
		figure("first `mshub up` on an empty directory to the ready line", "s", "-", []float64{first}, "", nil),
		figure("warm `mshub up` to the ready line", "s", "median < 6", ready, "", nil),
		figure("resident memory of mshub after start", "MiB", "median < 150", memory, "", nil),
	}, nil
}

// watched is what a process held while something went on, in MiB.
type watched struct{ start, max, end float64 }

// watch reads the resident memory of a process five times a second until f ends.
func watch(pid int, f func() error) (w watched, err error) {
	if w.start, err = resident(pid); err != nil {
		return w, err
	}
	w.max = w.start
	done := make(chan error, 1)
	go func() { done <- f() }()
	ticks := time.NewTicker(200 * time.Millisecond)
	defer ticks.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return w, err
			}
			w.end, err = resident(pid)
			w.max = max(w.max, w.end)
			return w, err
		case <-ticks.C:
			now, err := resident(pid)
			if err != nil {
				return w, errors.Join(err, <-done)
			}
			w.max = max(w.max, now)
		}
	}
}
