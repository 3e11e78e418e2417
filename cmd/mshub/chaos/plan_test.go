package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPlan: seed and store alone decide; nobody is hit while down; three minutes see every kind of fault.
func TestPlan(t *testing.T) {
	t.Parallel()
	const length = 3 * time.Minute
	always := []string{"kill -9 temporal", "restart postgres", "kill -9 postgres", "FLUSHALL redis", "restart redis"}
	for store, wanted := range map[string][]string{storePostgres: always, storeMongo: append(always, "kill -9 mongod", "restart mongod")} {
		for seed := range uint64(50) {
			faults := plan(seed, length, store)
			if diff := cmp.Diff(plan(seed, length, store), faults, cmp.AllowUnexported(fault{})); diff != "" {
				t.Fatalf("seed %d has two plans:\n%s", seed, diff)
			}
			seen := map[string]bool{}
			back := map[string]time.Duration{}
			for _, f := range faults {
				if f.at < back[f.victim] {
					t.Errorf("seed %d: %s at %s hits a victim that is down until %s", seed, f, f.at, back[f.victim])
				}
				if f.at >= length {
					t.Errorf("seed %d: %s at %s, after the end", seed, f, f.at)
				}
				back[f.victim] = f.at + f.lasts
				seen[string(f.kind)+" "+f.victim] = true
			}
			for _, want := range wanted {
				if !seen[want] {
					t.Errorf("seed %d: no %s in %s on %s", seed, want, length, store)
				}
			}
		}
	}
	if cmp.Equal(plan(1, length, storePostgres), plan(2, length, storePostgres), cmp.AllowUnexported(fault{})) {
		t.Error("two seeds have one plan")
	}
}

func TestSeeds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]uint64{"7": {7}, "1-3": {1, 2, 3}, "1 2,9": {1, 2, 9}, "8, 1-2": {8, 1, 2}} {
		got, err := seedsOf(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"", "0", "3-1", "one", "1-", "-1", "1-20000"} {
		if got, err := seedsOf(text); err == nil {
			t.Errorf("%q gave %v", text, got)
		}
	}
}

// TestTable: the number of bad rows is what the invariants count with.
func TestTable(t *testing.T) {
	t.Parallel()
	first, rejects := table(rand.New(rand.NewPCG(7, 7)), 5000)
	again, _ := table(rand.New(rand.NewPCG(7, 7)), 5000)
	if string(first) != string(again) {
		t.Error("the same seed made two files")
	}
	if rejects == 0 || rejects > 100 {
		t.Errorf("%d of 5000 rows are bad", rejects)
	}
}
