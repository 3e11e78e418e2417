package runs

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/events"
	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	runcontext "github.com/microservicehub/mshub/internal/temporal"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// Priorities of processes that say none: work that a person waits for goes before batches.
const (
	priorityInteractive = 1
	priorityBatch       = 4
)

// priority of a run for which nobody asked for another.
func (e entry) priority() int16 {
	switch {
	case e.Priority != 0:
		return int16(e.Priority)
	case e.TaskQueue() == process.QueueBatch:
		return priorityBatch
	}
	return priorityInteractive
}

// keyOf is the business key that an input names; "" if it names none.
func (e entry) keyOf(input proto.Message) string {
	message := input.ProtoReflect()
	field := message.Descriptor().Fields().ByJSONName(e.Key)
	if e.Key == "" || field == nil || !message.Has(field) {
		return ""
	}
	return message.Get(field).String()
}

// present makes a column of a text: null if it is empty.
func present(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// StartRun accepts a run: the row is committed, then Temporal is told. While Temporal is away the run stays STARTING.
func (s *Service) StartRun(ctx context.Context, req *runsv1.StartRunRequest) (*runsv1.Run, error) {
	e, err := s.catalogue.get(req.GetProcess())
	if err != nil {
		return nil, err
	}
	if err := mayRun(ctx, e); err != nil {
		return nil, err
	}
	input, err := decodeInput(e.Input, req.GetInput())
	if err != nil {
		return nil, err
	}
	key := req.GetIdempotencyKey()
	if err := rpc.CheckIdempotencyKey("idempotencyKey", key); err != nil {
		return nil, err
	}
	if key == "" {
		key = rpc.IdempotencyKey(ctx)
	}
	row, seq, err := s.acceptRow(ctx, acceptance{
		method: "StartRun", process: e, input: input, key: key, title: req.GetTitle(), actor: auth.From(ctx).Actor,
		businessKey: req.GetKey(), priority: int(req.GetPriority()),
	})
	if err != nil {
		return nil, err
	}
	if seq == 0 || row.Queued { // it was there before, or its place in the line is to be said
		return s.run(ctx, row.ID)
	}
	run, err := wholeRun(row, events.RunHead{Seq: seq, State: runsv1.Run_STARTING.String()}, nil)
	if err != nil {
		return nil, err
	}
	run.Commands = s.commandsOf(ctx, run)
	return run, nil
}

// mayRun asks for the process's own permission, beside the method's: to start a run of it as to command one.
func mayRun(ctx context.Context, e entry) error {
	if e.Permission == "" {
		return nil
	}
	return auth.Require(auth.From(ctx), e.Permission, auth.ScopeOf(e.Permission))
}

// acceptance is a run that somebody, or a fact, wants.
type acceptance struct {
	method      string
	process     entry
	input       proto.Message
	key         string
	title       string
	actor       string
	reason      string
	retriedFrom *uuid.UUID
	// businessKey is empty for what the input says (Definition.Key).
	businessKey string
	// priority 0 is the process's own.
	priority int
	// schedule that starts it.
	schedule string
	// anyInput: the key alone says that it is the same run; the input may have changed meanwhile.
	anyInput bool
	// also is done in the same transaction, whether the run is new or was there; an error of it starts nothing.
	also func(tx pgx.Tx, run uuid.UUID, fresh bool) error
}

// accept is acceptRow for those who need no more than the run's id.
func (s *Service) accept(ctx context.Context, a acceptance) (uuid.UUID, error) {
	row, _, err := s.acceptRow(ctx, a)
	return row.ID, err
}

// acceptRow commits the run's row with its first event, whose place it returns, then launches it. The same key and input
// give the run that is there, and no place.
func (s *Service) acceptRow(ctx context.Context, a acceptance) (row store.Run, seq int64, err error) {
	if row, err = a.row(ctx); err != nil {
		return row, 0, err
	}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		if seq, row, err = a.insert(ctx, tx, row); err != nil || a.also == nil {
			return err
		}
		return a.also(tx, row.ID, seq > 0)
	})
	if err != nil {
		return store.Run{}, 0, err
	}
	if seq > 0 {
		s.events.Wake(ctx, row.ID, seq)
	}
	switch {
	case row.Queued:
		if err := s.admit(ctx, row.Process); err != nil {
			s.logger.WarnContext(ctx, "run queued, admission will look again", "run", row.ID, "error", err)
		}
	case row.LaunchedAt == nil && row.EndedAt == nil:
		s.launchSoon(ctx, row)
	}
	return row, seq, nil
}

// insert writes the row, the audit and the first event; seq is 0 and the row is the old one if the key was used before.
func (a acceptance) insert(ctx context.Context, tx pgx.Tx, row store.Run) (seq int64, _ store.Run, err error) {
	if a.process.Singleton {
		if err := queries.LockSingleton(ctx, tx, row.Process); err != nil {
			return 0, row, err
		}
	}
	if a.retriedFrom != nil {
		if err := queries.LockRetry(ctx, tx, *a.retriedFrom); err != nil {
			return 0, row, err
		}
	}
	row.CreatedAt, err = queries.InsertRun(ctx, tx, store.InsertRunParams{
		ID: row.ID, OrganisationID: row.OrganisationID, Process: row.Process, Title: row.Title, Actor: row.Actor,
		IdempotencyKey: row.IdempotencyKey, InputHash: row.InputHash, Input: row.Input, Steps: row.Steps, RetriedFrom: row.RetriedFrom,
		Key: row.Key, Priority: row.Priority, Schedule: row.Schedule, Permissions: row.Permissions, Queued: row.Queued,
		Keepers: row.Keepers,
	})
	if errors.Is(err, pgx.ErrNoRows) {
		row, err = a.existing(ctx, tx, row)
		return 0, row, err
	}
	if err != nil {
		return 0, row, err
	}
	if a.process.Singleton {
		if err := alone(ctx, tx, row); err != nil {
			return 0, row, err
		}
	}
	if a.retriedFrom != nil {
		if err := retriedOnce(ctx, tx, row); err != nil {
			return 0, row, err
		}
	}
	if subjects := subjectsOf(row.Input, row.Title, a.businessKey); len(subjects) > 0 {
		if err := queries.InsertSubjects(ctx, tx, store.InsertSubjectsParams{Run: row.ID, Subjects: subjects}); err != nil {
			return 0, row, err
		}
	}
	after := map[string]any{"process": row.Process}
	if a.retriedFrom != nil {
		after["retriedFrom"] = events.RunName(*a.retriedFrom)
	}
	if a.schedule != "" {
		after["schedule"] = scheduleName(a.schedule)
	}
	tail := postgres.Pipeline(tx)
	if err := audit.Append(ctx, tail, audit.Entry{Action: action(a.method), Target: events.RunName(row.ID), After: after, Reason: a.reason}); err != nil {
		return 0, row, err
	}
	entry := events.Entry{
		Organisation: row.OrganisationID, Run: row.ID, ID: events.RunStarted,
		Event: &eventsv1.Event{Kind: events.RunStarted, Actor: row.Actor, Message: a.reason},
	}
	if row.Queued {
		entry.State = runsv1.Run_QUEUED.String()
	}
	seq, _, err = events.Append(ctx, tail, entry)
	return seq, row, err
}

// alone refuses a second open run of a process that runs once at a time.
func alone(ctx context.Context, tx pgx.Tx, row store.Run) error {
	open, err := queries.OpenOf(ctx, tx, store.OpenOfParams{Process: row.Process, ID: row.ID})
	if err != nil || len(open) == 0 {
		return err
	}
	return rpc.Precondition("SINGLETON", "%s is open, and %s runs once at a time; wait for its end, or cancel it", events.RunName(open[0]), row.Process)
}

// retriedOnce refuses a second retry of a run while the first is open.
func retriedOnce(ctx context.Context, tx pgx.Tx, row store.Run) error {
	open, err := queries.OpenRetries(ctx, tx, store.OpenRetriesParams{RetriedFrom: row.RetriedFrom, ID: row.ID})
	if err != nil || len(open) == 0 {
		return err
	}
	return rpc.Precondition("BEING_RETRIED", "the run is being retried by %s; wait for its end, or cancel it", events.RunName(open[0]))
}

func (a acceptance) row(ctx context.Context) (store.Run, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return store.Run{}, err
	}
	binary, err := proto.MarshalOptions{Deterministic: true}.Marshal(a.input)
	if err != nil {
		return store.Run{}, err
	}
	input, err := inputJSON(a.input, "input")
	if err != nil {
		return store.Run{}, err
	}
	steps, err := protojson.Marshal(&runsv1.Process{Steps: a.process.wire.GetSteps()})
	if err != nil {
		return store.Run{}, err
	}
	hash := sha256.Sum256(binary)
	row := store.Run{
		ID: id, OrganisationID: auth.From(ctx).Organisation, Process: a.process.Name, Title: a.title, Actor: a.actor,
		InputHash: hash[:], Input: input, Steps: steps, RetriedFrom: a.retriedFrom, Priority: int16(a.priority),
		IdempotencyKey: present(a.key), Schedule: present(a.schedule), Queued: a.process.limits.any(),
		Permissions: append([]string{}, auth.From(ctx).Permissions...),
		Keepers:     append([]string{}, auth.From(ctx).Keepers...),
	}
	if row.Priority == 0 {
		row.Priority = a.process.priority()
	}
	row.Key = present(a.businessKey)
	if row.Key == nil {
		row.Key = present(a.process.keyOf(a.input))
	}
	return row, nil
}

// equal compares columns that may be null.
func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// existing is the run that the key was used for before.
func (a acceptance) existing(ctx context.Context, tx pgx.Tx, wanted store.Run) (store.Run, error) {
	row, err := queries.RunByKey(ctx, tx, store.RunByKeyParams{
		OrganisationID: wanted.OrganisationID, Process: wanted.Process, IdempotencyKey: wanted.IdempotencyKey,
	})
	if err != nil {
		return store.Run{}, err
	}
	switch {
	case !a.anyInput && string(row.InputHash) != string(wanted.InputHash):
		return store.Run{}, rpc.AlreadyExists("IDEMPOTENCY_KEY_REUSED",
			"the idempotency key %q was used to start %s with another input; choose a new one", *wanted.IdempotencyKey, events.RunName(row.ID))
	case !equal(row.RetriedFrom, wanted.RetriedFrom) || !equal(row.Schedule, wanted.Schedule):
		return store.Run{}, rpc.AlreadyExists("IDEMPOTENCY_KEY_REUSED",
			"the idempotency key %q was used to start %s in another way; choose a new one", *wanted.IdempotencyKey, events.RunName(row.ID))
	}
	return row, nil
}

// launch tells Temporal about a run. Telling it twice is harmless: the run's id is the workflow's. A run that Temporal refuses
// for good has ended.
func (s *Service) launch(ctx context.Context, row store.Run) error {
	e, err := s.catalogue.get(row.Process)
	if err != nil {
		return err
	}
	input := e.Input.ProtoReflect().New().Interface()
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(row.Input, input); err != nil {
		return err
	}
	options := client.StartWorkflowOptions{
		ID:                       row.ID.String(),
		TaskQueue:                e.TaskQueue(),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		EnableEagerStart:         s.eager,
		Priority:                 temporal.Priority{PriorityKey: int(row.Priority), FairnessKey: row.OrganisationID.String()},
		StaticSummary:            e.Title,
	}
	if e.settings != nil {
		options.Memo = process.SettingsMemo(e.settings)
	}
	told, cancel := context.WithTimeout(context.WithoutCancel(ctx), launchTimeout)
	defer cancel()
	starting := runcontext.ContextWithRun(told, runcontext.RunContext{Organisation: row.OrganisationID, Run: row.ID, Actor: row.Actor})
	_, err = s.temporal.ExecuteWorkflow(starting, options, e.Name, input)
	var started *serviceerror.WorkflowExecutionAlreadyStarted
	var refused *serviceerror.InvalidArgument
	switch {
	case errors.As(err, &refused):
		return s.unlaunchable(ctx, row, refused)
	case err != nil && !errors.As(err, &started):
		return err
	}
	s.launches.add(row.ID)
	return nil
}

// lateness is how long a run may be accepted and not launched before the reconciler launches it.
const lateness = 10 * time.Second

// relaunch launches what StartRun could not, as the reconciler.
func (s *Service) relaunch(ctx context.Context) error {
	var rows []store.Run
	err := s.db.System(ctx, func(tx pgx.Tx) (err error) {
		rows, err = queries.Unlaunched(ctx, tx, store.UnlaunchedParams{Before: s.now().Add(-lateness), Most: 100})
		return err
	})
	if err != nil {
		return err
	}
	return eachRow(ctx, rows, func(row store.Run) error { return s.launch(ctx, row) })
}
