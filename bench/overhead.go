package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/temporal"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	"github.com/microservicehub/mshub/services/identity/v1/identityv1connect"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

const (
	overheadStarters = 16
	// launchPoll is how often Temporal is asked for a run of which it has not heard yet: the end of a run takes longer, and
	// asking costs the server as much as work does.
	launchPoll = 20 * time.Millisecond
)

// measureOverhead runs a process of one step, from StartRun (token, rule, validation, row, audit, journal) to its written
// end. The peer is a workflow of one activity by the plain SDK, on the same Temporal server, with as many starters, the
// same workers' options, eager start and eager activities too, and the same way of waiting. They take turns.
func measureOverhead(ctx context.Context, s sizes) ([]Figure, error) {
	h, err := newHouse(ctx, true, func(*postgres.DB) identityv1connect.IdentityServiceHandler { return atOnce{} })
	if err != nil {
		return nil, err
	}
	defer h.close()
	if err := h.work(ctx); err != nil {
		return nil, err
	}
	p, err := newPlain(ctx, h.server.Address())
	if err != nil {
		return nil, err
	}
	defer p.close()

	// Both warm up to the same degree: caches of statements, of workflows, connections, the heap.
	for _, one := range []func(context.Context) error{h.runOnce, p.runOnce} {
		if _, err := load(ctx, s.overheadRuns/2, overheadStarters, one); err != nil {
			return nil, err
		}
	}
	var ours, theirs timings
	for range s.samples {
		if err := errors.Join(ours.sample(ctx, s, h.runOnce), theirs.sample(ctx, s, p.runOnce)); err != nil {
			return nil, err
		}
	}
	const peer = "plain Temporal SDK"
	return []Figure{
		figure("runs of a one-step process, 16 at once", "runs/s", "ratio >= 0.9", ours.rate, peer, theirs.rate),
		figure("half of these end within (p50)", "ms", "ratio <= 1.2", ours.half, peer, theirs.half),
		figure("99 of 100 of these end within (p99)", "ms", "-", ours.most, peer, theirs.most),
		figure("one such run after another: p50", "ms", "ratio <= 1.2", ours.aloneHalf, peer, theirs.aloneHalf),
		figure("one such run after another: p99", "ms", "-", ours.aloneMost, peer, theirs.aloneMost),
	}, nil
}

// timings are the samples of one side.
type timings struct{ rate, half, most, aloneHalf, aloneMost []float64 }

func (t *timings) sample(ctx context.Context, s sizes, one func(context.Context) error) error {
	many, err := load(ctx, s.overheadRuns, overheadStarters, one)
	if err != nil {
		return err
	}
	alone, err := load(ctx, s.overheadAlone, 1, one)
	if err != nil {
		return err
	}
	t.rate = append(t.rate, many.rate)
	t.half, t.most = append(t.half, quantile(many.durations, 0.5)), append(t.most, quantile(many.durations, 0.99))
	t.aloneHalf, t.aloneMost = append(t.aloneHalf, quantile(alone.durations, 0.5)), append(t.aloneMost, quantile(alone.durations, 0.99))
	return nil
}

// atOnce answers without doing anything: what is measured is the way to a service and back, not its work.
type atOnce struct {
	identityv1connect.UnimplementedIdentityServiceHandler
}

func (atOnce) GetUser(_ context.Context, in *identityv1.GetUserRequest) (*identityv1.User, error) {
	return &identityv1.User{Name: in.GetName()}, nil
}

// startOne starts a run of a process of the measurement.
func (h *house) startOne(ctx context.Context, of process.Definition, name string) (*runsv1.Run, error) {
	input := &structpb.Struct{Fields: map[string]*structpb.Value{"name": structpb.NewStringValue(name)}}
	return h.runs.StartRun(ctx, &runsv1.StartRunRequest{Process: of.Name, Input: input})
}

// runOnce is one run, seen to its end.
func (h *house) runOnce(ctx context.Context) error {
	run, err := h.startOne(ctx, oneStep, "ada")
	if err != nil {
		return err
	}
	for {
		err := h.temporal.GetWorkflow(ctx, strings.TrimPrefix(run.GetName(), "runs/"), "").Get(ctx, nil)
		if _, early := errors.AsType[*serviceerror.NotFound](err); !early {
			return err
		}
		time.Sleep(launchPoll) // accepted; Temporal has not heard of it yet
	}
}

// plain is the same without the house.
type plain struct {
	client client.Client
	worker worker.Worker
}

const plainQueue = "plain"

func newPlain(ctx context.Context, address string) (*plain, error) {
	c, err := temporal.Dial(ctx, address, client.Options{})
	if err != nil {
		return nil, err
	}
	w := worker.New(c, plainQueue, process.WorkerOptions(process.QueueDefault)) // as many pollers and places
	w.RegisterWorkflow(plainWorkflow)
	w.RegisterActivity(plainActivity)
	if err := w.Start(); err != nil {
		c.Close()
		return nil, err
	}
	return &plain{c, w}, nil
}

func (p *plain) close() {
	p.worker.Stop()
	p.client.Close()
}

func (p *plain) runOnce(ctx context.Context) error {
	run, err := p.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: uuid.NewString(), TaskQueue: plainQueue, EnableEagerStart: true,
	}, plainWorkflow, &identityv1.GetUserRequest{Name: "ada"})
	if err != nil {
		return err
	}
	return run.Get(ctx, nil)
}

func plainWorkflow(ctx workflow.Context, in *identityv1.GetUserRequest) (*identityv1.User, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	user := &identityv1.User{}
	err := workflow.ExecuteActivity(ctx, plainActivity, in).Get(ctx, user)
	return user, err
}

func plainActivity(_ context.Context, in *identityv1.GetUserRequest) (*identityv1.User, error) {
	return &identityv1.User{Name: in.GetName()}, nil
}

// loaded is what calling something many times gave.
type loaded struct {
	// rate is calls a second, durations those of the calls in milliseconds.
	rate      float64
	durations []float64
}

// load calls one n times, some at once.
func load(ctx context.Context, n, parallel int, one func(ctx context.Context) error) (loaded, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l := loaded{durations: make([]float64, n)}
	var next atomic.Int64
	var callers sync.WaitGroup
	began := time.Now()
	for range parallel {
		callers.Go(func() {
			for i := next.Add(1); i <= int64(n) && ctx.Err() == nil; i = next.Add(1) {
				start := time.Now()
				if err := one(ctx); err != nil {
					cancel(err)
					return
				}
				l.durations[i-1] = milliseconds(time.Since(start))
			}
		})
	}
	callers.Wait()
	l.rate = float64(n) / time.Since(began).Seconds()
	return l, context.Cause(ctx)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
