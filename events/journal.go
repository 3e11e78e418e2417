package events

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/microservicehub/mshub/events/store"
	"github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
)

var queries = store.New()

// Schema is the room's part of the database, applied before every other room's.
func Schema() postgres.Schema { return store.Schema() }

// Entry is an event on its way into the journal.
type Entry struct {
	Organisation, Run uuid.UUID
	// ID names the event within its run (EventID). Appending it again changes nothing.
	ID string
	// Event needs its kind; run, seq, state and progress are filled in by the journal, the time too if there is none.
	Event *eventsv1.Event
	// State of the run from now on; "" leaves it to the event's kind.
	State string
	// Progress to count: done is added to the run's, total raises the run's, unit replaces it. For step.progress, done is
	// what the activity under way has done so far.
	Progress *eventsv1.Progress
	// ProgressID counts Progress once, however many events of the run carry the same one; "" means ID.
	ProgressID string
}

// Append writes an event as the last statement of the change that it reports, and returns its place; fresh is false if
// it was there already, or if it was a tick too soon after the last one. It holds the run until the transaction ends, so
// append to one run a transaction. Wake the viewers after the commit (Publisher.Wake).
//
// run.started creates the journal; for any other kind a run without a journal is `not_found`.
func Append(ctx context.Context, tx pgx.Tx, e Entry) (seq int64, fresh bool, err error) {
	params, err := e.params()
	if err != nil {
		return 0, false, err
	}
	row, err := queries.AppendEvent(ctx, tx, params)
	return row.Seq, row.Fresh, e.missing(err)
}

// missing says in the house's words that the run has no journal.
func (e Entry) missing(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "P0002" {
		return rpc.NotFound("run", RunName(e.Run))
	}
	return err
}

func (e Entry) params() (params store.AppendEventParams, err error) {
	kind, known := effects[e.Event.GetKind()]
	switch {
	case !known:
		return params, rpc.Invalid("event.kind", "%q is no kind of event", e.Event.GetKind())
	case e.ID == "":
		return params, rpc.Invalid("eventId", "an event needs an id, so that writing it again changes nothing")
	}
	if e.State != "" {
		kind = effect{state: e.State}
	}
	event := proto.CloneOf(e.Event)
	event.Run, event.Seq, event.State, event.Progress = "", 0, "", nil
	raw, err := protojson.Marshal(event)
	if err != nil {
		return params, err
	}
	params = store.AppendEventParams{
		OrganisationID: e.Organisation, Run: e.Run, EventID: e.ID, Event: raw, State: kind.state, Soft: kind.soft,
	}
	if e.Progress != nil {
		params.Done, params.Total, params.Unit = e.Progress.GetDone(), e.Progress.GetTotal(), e.Progress.GetUnit()
		params.ProgressID = e.ProgressID
		if params.ProgressID == "" {
			params.ProgressID = e.ID
		}
	}
	return params, nil
}

// Read returns at most limit events after a place, oldest first, and where the journal ends. A run that this transaction
// can't see has no events and ends at 0.
func Read(ctx context.Context, tx pgx.Tx, run uuid.UUID, after int64, limit int) (list []*eventsv1.Event, top int64, err error) {
	lines, err := read(ctx, tx, run, after, limit)
	if err != nil {
		return nil, 0, err
	}
	for _, line := range lines {
		event := &eventsv1.Event{}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(line.Payload, event); err != nil {
			return nil, 0, err
		}
		list = append(list, event)
		top = line.Seq
	}
	if len(list) == limit || len(list) == 0 {
		row, err := queries.RunHead(ctx, tx, run)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, 0, err
		}
		top = row.Seq
	}
	return list, top, nil
}

// read is Read without decoding: what viewers receive is what the journal holds.
func read(ctx context.Context, tx pgx.Tx, run uuid.UUID, after int64, limit int) ([]store.ReadEventsRow, error) {
	return queries.ReadEvents(ctx, tx, store.ReadEventsParams{Run: run, Seq: after, Limit: int32(limit)})
}

// RunHead is where a run stands.
type RunHead struct {
	Run, Organisation uuid.UUID
	// Seq is the last place of the journal.
	Seq      int64
	State    string
	Step     string
	Progress *eventsv1.Progress
	// Build is the commit of the worker that wrote last; "" = none yet.
	Build string
	// Parked is true while a failed step waits for an operator.
	Parked  bool
	Updated time.Time
}

// Head returns where a run stands; `not_found` if this transaction can't see it.
func Head(ctx context.Context, tx pgx.Tx, run uuid.UUID) (RunHead, error) {
	row, err := queries.RunHead(ctx, tx, run)
	if errors.Is(err, pgx.ErrNoRows) {
		return RunHead{}, rpc.NotFound("run", RunName(run))
	}
	if err != nil {
		return RunHead{}, err
	}
	return RunHead{
		Run: row.Run, Organisation: row.OrganisationID, Seq: row.Seq, State: row.State, Step: row.Step, Updated: row.UpdatedAt,
		Progress: &eventsv1.Progress{Done: row.Done, Total: row.Total, Unit: row.Unit}, Build: row.Build, Parked: row.Parked,
	}, nil
}

// snapshot is what a viewer gets in place of a journal that can't be resumed.
func (h RunHead) snapshot() *eventsv1.Snapshot {
	return &eventsv1.Snapshot{Run: RunName(h.Run), Seq: h.Seq, State: h.State, Step: h.Step, Progress: h.Progress}
}

// DeleteRuns deletes journals with their runs. As mshub_system, or within one organisation.
func DeleteRuns(ctx context.Context, tx pgx.Tx, runs ...uuid.UUID) error {
	_, err := queries.DeleteRuns(ctx, tx, runs)
	return err
}

// RunName is the resource name of a run.
func RunName(run uuid.UUID) string { return "runs/" + run.String() }
