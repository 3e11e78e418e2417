package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
)

const (
	// workers are processes, slots the places of each for work at once. Celery has as many.
	workers, slots = 2, 10
	// nap is how long a task takes, downtime how long a killed worker stays away.
	nap      = 50 * time.Millisecond
	downtime = 2 * time.Second
	// settling is how long a task that is done already may come back.
	settling = 3 * time.Second
)

// measureRecovery hands in tasks that take 50 ms and leave a row in PostgreSQL, to two worker processes with ten places
// each. In one round nothing happens, in the next one worker is killed (SIGKILL) when half of the tasks are done and
// started again two seconds later. The tasks are runs of one step, then the items of one run, then Celery's, with the
// settings that it recommends for tasks that must not get lost.
func measureRecovery(ctx context.Context, s sizes) ([]Figure, error) {
	single, batch, err := measureOurRecovery(ctx, s)
	if err != nil {
		return nil, err
	}
	celery, err := measureCeleryRecovery(ctx, s)
	if err != nil {
		return nil, err
	}
	const peer = "Celery 5.7 + Redis"
	what := number(float64(s.tasks)) + " tasks of 50 ms as "
	var found []Figure
	for _, side := range []struct {
		name string
		outcomes
	}{{"runs of one step", single}, {"the items of one run", batch}} {
		found = append(found,
			figure(what+side.name, "tasks/s", "-", side.rate, peer, celery.rate),
			figure("a worker killed among these: lost", "tasks", "max = 0", side.lost, peer, celery.lost),
			figure("done more than once", "tasks", "max = 0", side.doubled, peer, celery.doubled))
		if len(side.again) > 0 && len(celery.again) > 0 { // else the killed worker happened to have nothing under way
			found = append(found, figure("killed work taken up again within", "s", "max <= 15", side.again, peer, celery.again))
		}
	}
	return found, nil
}

// crew is one side: workers, and a way to hand tasks to them.
type crew struct {
	conn *pgx.Conn
	// start starts one more worker.
	start func() (*exec.Cmd, error)
	// send hands in the tasks "NAME/1" to "NAME/COUNT" and returns when it began.
	send func(ctx context.Context, name string, count int) (began time.Time, err error)
	// again says how many seconds after the kill everything that the worker had under way had been begun anew: infinity if
	// never, NaN if it had nothing.
	again func(ctx context.Context, name string, killed time.Time, effects map[string][]time.Time) (float64, error)
}

// outcomes are the samples of one side.
type outcomes struct{ rate, lost, doubled, again []float64 }

// measure lets the crew do its rounds.
func (c *crew) measure(ctx context.Context, s sizes, name string) (o outcomes, err error) {
	var staff []*exec.Cmd
	defer func() {
		for _, w := range staff {
			end(w)
		}
	}()
	for range workers {
		w, err := c.start()
		if err != nil {
			return o, err
		}
		staff = append(staff, w)
	}
	if _, err := c.round(ctx, s, name+"-warm", s.tasks/10, nil); err != nil {
		return o, err
	}
	for sample := range min(s.samples, 3) {
		undisturbed, err := c.round(ctx, s, fmt.Sprintf("%s-calm%d", name, sample), s.tasks, nil)
		if err != nil {
			return o, err
		}
		disturbed, err := c.round(ctx, s, fmt.Sprintf("%s-kill%d", name, sample), s.tasks, &staff[0])
		if err != nil {
			return o, err
		}
		o.rate = append(o.rate, undisturbed.rate)
		o.lost, o.doubled = append(o.lost, disturbed.lost), append(o.doubled, disturbed.doubled)
		if !math.IsNaN(disturbed.again) {
			o.again = append(o.again, disturbed.again)
		}
	}
	return o, nil
}

type outcome struct{ rate, lost, doubled, again float64 }

// round hands in tasks and waits until all are done, or nothing more is to be expected. The victim is killed in the middle
// and replaced.
func (c *crew) round(ctx context.Context, s sizes, name string, count int, victim **exec.Cmd) (o outcome, err error) {
	var began, killed time.Time
	sent := make(chan error, 1)
	go func() {
		var err error
		began, err = c.send(ctx, name, count)
		sent <- err
	}()
	done, moved := 0, time.Now()
	for done < count && time.Since(moved) < s.patience {
		time.Sleep(20 * time.Millisecond)
		before := done
		if err := c.conn.QueryRow(ctx, "SELECT count(DISTINCT item) FROM bench.effect WHERE starts_with(item, $1)", name+"/").Scan(&done); err != nil {
			return o, errors.Join(err, <-sent)
		}
		if done > before {
			moved = time.Now()
		}
		if victim == nil || !killed.IsZero() || done < count/2 {
			continue
		}
		kill(*victim)
		killed = time.Now()
		time.Sleep(downtime)
		if *victim, err = c.start(); err != nil {
			return o, errors.Join(err, <-sent)
		}
	}
	if err := <-sent; err != nil {
		return o, err
	}
	if victim != nil {
		time.Sleep(settling)
	}
	return c.judge(ctx, name, count, began, killed)
}

// judge reads what became of the tasks.
func (c *crew) judge(ctx context.Context, name string, count int, began, killed time.Time) (o outcome, err error) {
	rows, err := c.conn.Query(ctx, "SELECT item, time FROM bench.effect WHERE starts_with(item, $1) ORDER BY time", name+"/")
	if err != nil {
		return o, err
	}
	effects, last := map[string][]time.Time{}, began
	var item string
	var at time.Time
	if _, err := pgx.ForEachRow(rows, []any{&item, &at}, func() error {
		effects[item] = append(effects[item], at)
		last = at
		return nil
	}); err != nil {
		return o, err
	}
	o.lost = float64(count - len(effects))
	for _, times := range effects {
		if len(times) > 1 {
			o.doubled++
		}
	}
	if killed.IsZero() {
		if o.lost > 0 {
			return o, fmt.Errorf("%s: %v tasks were not done although nothing was killed", name, o.lost)
		}
		o.rate = float64(count) / last.Sub(began).Seconds()
		return o, nil
	}
	again, err := c.again(ctx, name, killed, effects)
	o.again = min(again, time.Since(killed).Seconds()) // for ever is as long as we waited
	return o, err
}

func measureOurRecovery(ctx context.Context, s sizes) (single, batch outcomes, err error) {
	service := &napping{}
	h, err := newHouse(ctx, false, func(db *postgres.DB) identityv1connect.IdentityServiceHandler {
		service.db = db
		return service
	})
	if err != nil {
		return single, batch, err
	}
	defer h.close()
	base, err := h.listen(ctx)
	if err != nil {
		return single, batch, err
	}
	token, err := h.issuer.forWorkers()
	if err != nil {
		return single, batch, err
	}
	order := workerOrder{Temporal: h.server.Address(), Database: h.rig.database.URL(), Base: base, Token: token, Places: slots}
	conn, err := pgx.Connect(ctx, h.rig.database.URL())
	if err != nil {
		return single, batch, err
	}
	defer func() { _ = conn.Close(ctx) }()
	again := func(ctx context.Context, _ string, killed time.Time, _ map[string][]time.Time) (float64, error) {
		return begunAnew(ctx, conn, killed)
	}
	runs := &crew{conn: conn, start: order.start, again: again, send: func(ctx context.Context, name string, count int) (time.Time, error) {
		began := time.Now()
		var mu sync.Mutex
		next := 0
		_, err := load(ctx, count, overheadStarters, func(ctx context.Context) error {
			mu.Lock()
			next++
			item := next
			mu.Unlock()
			_, err := h.startOne(ctx, oneStep, fmt.Sprintf("%s/%d", name, item))
			return err
		})
		return began, err
	}}
	if single, err = runs.measure(ctx, s, "single"); err != nil {
		return single, batch, err
	}
	items := &crew{conn: conn, start: order.start, again: again, send: func(ctx context.Context, name string, count int) (time.Time, error) {
		began := time.Now()
		_, err := h.startOne(ctx, manySteps, fmt.Sprintf("%s/%d", name, count))
		return began, err
	}}
	batch, err = items.measure(ctx, s, "batch")
	return single, batch, err
}

// begunAnew reads the journal: steps that were begun behind the kill, and not for the first time. NaN if the killed worker
// had none under way.
func begunAnew(ctx context.Context, conn *pgx.Conn, killed time.Time) (seconds float64, err error) {
	err = conn.QueryRow(ctx, `SELECT coalesce(max(extract(epoch FROM time - $1)), 'NaN')::float8
		FROM events.run_event WHERE kind = 'step.started' AND attempt > 1 AND time > $1`, killed).Scan(&seconds)
	return seconds, err
}

// napping is the service behind the step: it takes its time, and leaves one row for each key, as a room of the house does.
type napping struct {
	identityv1connect.UnimplementedIdentityServiceHandler
	db *postgres.DB
}

func (n *napping) GetUser(ctx context.Context, in *identityv1.GetUserRequest) (*identityv1.User, error) {
	select {
	case <-time.After(nap):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	user := &identityv1.User{}
	err := n.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) error {
		return postgres.Once(ctx, tx, "bench", "GetUser", rpc.IdempotencyKey(ctx), in, user, func() error {
			user.Name = in.GetName()
			_, err := tx.Exec(ctx, "INSERT INTO bench.effect (organisation_id, item) VALUES ($1, $2)", auth.From(ctx).Organisation, in.GetName())
			return err
		})
	})
	return user, err
}

func measureCeleryRecovery(ctx context.Context, s sizes) (outcomes, error) {
	r, err := newRig(ctx, true)
	if err != nil {
		return outcomes{}, err
	}
	defer r.close()
	peer, err := newCelery(ctx, "celery_recovery", r.database.URL())
	if err != nil {
		return outcomes{}, err
	}
	defer peer.close()
	if err := perform(ctx, peer.conn, "CREATE SCHEMA bench", "CREATE TABLE bench.effect (item text NOT NULL, time timestamptz NOT NULL DEFAULT clock_timestamp())"); err != nil {
		return outcomes{}, err
	}
	journal := filepath.Join(r.dir, "starts")
	peer.env = append(peer.env, "STARTS="+journal)
	hired := 0
	c := &crew{
		conn: peer.conn,
		start: func() (*exec.Cmd, error) {
			hired++
			return peer.worker(fmt.Sprintf("worker%d", hired), slots)
		},
		send: func(ctx context.Context, name string, count int) (time.Time, error) {
			var answer struct{ Began int64 }
			err := peer.run(ctx, &answer, "send.py", name, strconv.Itoa(count), strconv.Itoa(workers))
			return time.Unix(0, answer.Began), err
		},
		again: func(_ context.Context, name string, killed time.Time, effects map[string][]time.Time) (float64, error) {
			starts, err := readStarts(journal, name)
			return takenUp(starts, effects, killed), err
		},
	}
	return c.measure(ctx, s, "celery")
}

// takenUp is the same for the peer, from what its tasks have noted. A task that was under way and never came back took
// for ever.
func takenUp(starts, effects map[string][]time.Time, killed time.Time) float64 {
	longest := math.NaN()
	for item, begun := range starts {
		last := begun[len(begun)-1]
		switch done := effects[item]; {
		case !begun[0].Before(killed) || len(done) > 0 && done[0].Before(killed):
			// not under way when the worker was killed
		case last.After(killed):
			if late := last.Sub(killed).Seconds(); math.IsNaN(longest) || late > longest {
				longest = late
			}
		case len(done) == 0:
			return math.Inf(1)
		}
	}
	return longest
}

// readStarts reads what the peer's tasks have noted when they began: "ITEM NANOSECONDS" a line.
func readStarts(path, name string) (map[string][]time.Time, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	of := map[string][]time.Time{}
	for line := range strings.Lines(string(raw)) {
		item, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		nanoseconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil || !strings.HasPrefix(item, name+"/") {
			continue
		}
		of[item] = append(of[item], time.Unix(0, nanoseconds))
	}
	return of, nil
}
