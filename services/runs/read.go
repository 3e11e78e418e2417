package runs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/microservicehub/mshub/events"
	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/filter"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// journalPage is how many events are read at once.
const journalPage = 1000

var runColumns = map[string]filter.Column{
	"state":     {Type: filter.Text, SQL: "h.state", Convert: member(runsv1.Run_State_value)},
	"process":   {Type: filter.Text, SQL: "r.process"},
	"actor":     {Type: filter.Text, SQL: "r.actor"},
	"title":     {Type: filter.Text, SQL: "r.title"},
	"startTime": {Type: filter.Time, SQL: "r.created_at"},
	"endTime":   {Type: filter.Time, SQL: "r.ended_at"},
	"key":       {Type: filter.Text, SQL: "r.key"},
	"build":     {Type: filter.Text, SQL: "h.build"},
	"parked":    {Type: filter.Boolean, SQL: "h.parked"},
	"schedule":  {Type: filter.Text, SQL: "r.schedule", Convert: func(name string) (any, error) { return strings.TrimPrefix(name, "schedules/"), nil }},
}

// member accepts the names of an enumeration, and no others: a typo must not look like an empty list.
func member(names map[string]int32) func(string) (any, error) {
	return func(text string) (any, error) {
		if n, ok := names[text]; !ok || n == 0 {
			return nil, errors.New("there is no such state")
		}
		return text, nil
	}
}

// GetRun returns a run with its steps, input and result.
func (s *Service) GetRun(ctx context.Context, req *runsv1.GetRunRequest) (*runsv1.Run, error) {
	id, err := runID(req.GetName())
	if err != nil {
		return nil, err
	}
	return s.run(ctx, id)
}

func (s *Service) run(ctx context.Context, id uuid.UUID) (run *runsv1.Run, err error) {
	err = s.tx(ctx, func(tx pgx.Tx) error {
		run, err = s.runIn(ctx, tx, id)
		return err
	})
	return run, err
}

func (s *Service) runIn(ctx context.Context, tx pgx.Tx, id uuid.UUID) (*runsv1.Run, error) {
	row, head, err := runWithHead(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	var journal []*eventsv1.Event
	for after := int64(0); ; after = journal[len(journal)-1].GetSeq() {
		page, _, err := events.Read(ctx, tx, id, after, journalPage)
		if err != nil {
			return nil, err
		}
		journal = append(journal, page...)
		if len(page) < journalPage {
			break
		}
	}
	// Lines that came after the row was read belong to the next look at it.
	journal = slices.DeleteFunc(journal, func(e *eventsv1.Event) bool { return e.GetSeq() > head.Seq })
	run, err := wholeRun(row, head, journal)
	if err != nil {
		return nil, err
	}
	run.Commands = s.commandsOf(ctx, run)
	return run, placeInLine(ctx, tx, run)
}

func runRow(ctx context.Context, tx pgx.Tx, id uuid.UUID) (store.Run, error) {
	row, err := queries.GetRun(ctx, tx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return row, rpc.NotFound("run", events.RunName(id))
	}
	return row, err
}

// runWithHead reads a run and where its journal stands, as of one moment.
func runWithHead(ctx context.Context, tx pgx.Tx, id uuid.UUID) (store.Run, events.RunHead, error) {
	row, err := queries.GetRunWithHead(ctx, tx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Run{}, events.RunHead{}, rpc.NotFound("run", events.RunName(id))
	}
	return row.Run, headOf(row), err
}

func headOf(row store.ListedRun) events.RunHead {
	return events.RunHead{
		Run: row.Run.ID, Organisation: row.Run.OrganisationID, Seq: row.Seq, State: row.State, Step: row.Step,
		Progress: &eventsv1.Progress{Done: row.Done, Total: row.Total, Unit: row.Unit}, Build: row.Build, Parked: row.Parked,
	}
}

func wholeRun(row store.Run, head events.RunHead, journal []*eventsv1.Event) (*runsv1.Run, error) {
	run := wireRun(row, head)
	snapshot := &runsv1.Process{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(row.Steps, snapshot); err != nil {
		return nil, err
	}
	run.Steps = fold(snapshot.GetSteps(), journal, run.GetState())
	if err := unmarshal(row.Input, &run.Input); err != nil {
		return nil, err
	}
	if err := unmarshal(row.Result, &run.Result); err != nil {
		return nil, err
	}
	return run, setError(run, row.Error)
}

func setError(run *runsv1.Run, raw []byte) error {
	if raw == nil {
		return nil
	}
	run.Error = &runsv1.RunError{}
	return protojson.Unmarshal(raw, run.GetError())
}

// ListRuns returns the organisation's runs, newest first.
func (s *Service) ListRuns(ctx context.Context, req *runsv1.ListRunsRequest) (*runsv1.ListRunsResponse, error) {
	listing, err := listing(req.GetPageSize(), req.GetPageToken(), req.GetFilter(), runColumns)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(req.GetSearch()) != "" {
		if listing, err = s.find(ctx, req.GetSearch(), listing); err != nil {
			return nil, err
		}
	}
	res := &runsv1.ListRunsResponse{}
	err = s.tx(ctx, func(tx pgx.Tx) (err error) {
		rows, err := store.ListRuns(ctx, tx, listing)
		if err != nil {
			return err
		}
		res = &runsv1.ListRunsResponse{}
		if size := listing.Limit - 1; len(rows) > size {
			rows = rows[:size]
			res.NextPageToken = postgres.EncodePage(rows[size-1].Run.ID)
		}
		for _, row := range rows {
			run := wireRun(row.Run, headOf(row))
			if err := setError(run, row.Run.Error); err != nil {
				return err
			}
			res.Runs = append(res.Runs, run)
		}
		return placeInLine(ctx, tx, res.GetRuns()...)
	})
	return res, err
}

// find makes a listing of the runs that have the words.
func (s *Service) find(ctx context.Context, search string, l store.Listing) (store.Listing, error) {
	if !utf8.ValidString(search) || strings.ContainsRune(search, 0) || !strings.ContainsFunc(search, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return l, rpc.Invalid("search", "has no letter or digit; give words, the last of them perhaps cut short")
	}
	organisation := auth.From(ctx).Organisation
	if organisation == uuid.Nil {
		return l, nil // ListRuns' transaction refuses
	}
	var found []uuid.UUID
	err := s.db.System(ctx, func(tx pgx.Tx) (err error) {
		found, err = store.FindRuns(ctx, tx, organisation, search, l)
		return err
	})
	l.Where, l.Args = "r.id = ANY ($3)", []any{found}
	return l, err
}

// placeInLine fills in where queued runs stand.
func placeInLine(ctx context.Context, tx pgx.Tx, runs ...*runsv1.Run) error {
	var params store.QueuePositionsParams
	byID := map[uuid.UUID]*runsv1.Run{}
	for _, run := range runs {
		id, err := runID(run.GetName())
		if err != nil {
			return err
		}
		if run.GetState() == runsv1.Run_QUEUED {
			byID[id] = run
			params.Runs = append(params.Runs, id)
			if !slices.Contains(params.Processes, run.GetProcess()) {
				params.Processes = append(params.Processes, run.GetProcess())
			}
		}
	}
	if len(byID) == 0 {
		return nil
	}
	places, err := queries.QueuePositions(ctx, tx, params)
	for _, p := range places {
		byID[p.ID].QueuePosition = p.Place
	}
	return err
}

// listing reads what all lists have in common; it asks for one row more than a page holds.
func listing(size int32, token, text string, columns map[string]filter.Column) (store.Listing, error) {
	l := store.Listing{Before: uuid.Max, Limit: postgres.PageSize(size) + 1}
	if token != "" {
		if err := postgres.DecodePage(token, &l.Before); err != nil {
			return l, err
		}
	}
	expr, err := filter.Parse(text)
	if err != nil {
		return l, err
	}
	l.Where, l.Args, err = filter.SQL(expr, columns, 3)
	return l, err
}

// ListEvents returns the journal after a place, oldest first.
func (s *Service) ListEvents(ctx context.Context, req *runsv1.ListEventsRequest) (*runsv1.ListEventsResponse, error) {
	id, err := runID(req.GetRun())
	if err != nil {
		return nil, err
	}
	res := &runsv1.ListEventsResponse{}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := events.Head(ctx, tx, id); err != nil {
			return err
		}
		res.Events, res.Seq, err = events.Read(ctx, tx, id, req.GetAfter(), postgres.PageSize(req.GetPageSize()))
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}
