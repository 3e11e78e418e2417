package main

import (
	"context"
	"time"
)

// measureMemory starts a house on a fresh directory, then again on the warm one, and reads its resident memory once it is
// quiet.
func measureMemory(ctx context.Context) ([]Figure, error) {
	const runs = 5
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
	for range runs {
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
		figure("warm `mshub up` to the ready line", "s", "< 6", ready, "", nil),
		figure("resident memory of mshub after start", "MiB", "< 150", memory, "", nil),
	}, nil
}
