package runs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/workflows/process"
)

const (
	// factsEvery is how often an idle node looks for facts; a busy one does not pause.
	factsEvery = 500 * time.Millisecond
	factsBatch = 50
)

// claimFacts takes facts until ctx ends. Every node of the role does; they pass by what another one holds.
func (s *Service) claimFacts(ctx context.Context) {
	for {
		var facts, idle []events.Fact
		err := s.db.System(ctx, func(tx pgx.Tx) error {
			claimed, err := events.ClaimFacts(ctx, tx, factsBatch)
			if facts, idle = s.concerns(claimed); err != nil || len(idle) == 0 {
				return err
			}
			return events.FinishFacts(ctx, tx, idle)
		})
		if err != nil && ctx.Err() == nil {
			s.logger.WarnContext(ctx, "facts can't be read", "error", err)
		}
		for _, fact := range facts {
			s.settle(ctx, fact)
		}
		if len(facts)+len(idle) == factsBatch {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(factsEvery):
		}
	}
}

// concerns divides facts into those that start or wake a run and those that do neither, which most ends of runs are.
func (s *Service) concerns(claimed []events.Fact) (facts, idle []events.Fact) {
	for _, fact := range claimed {
		starts := slices.ContainsFunc(s.catalogue.order, func(name string) bool { return s.catalogue.byName[name].StartOn == fact.Kind })
		if starts || fact.Run != uuid.Nil {
			facts = append(facts, fact)
		} else {
			idle = append(idle, fact)
		}
	}
	return facts, idle
}

// settle does what a fact causes, then finishes it. A fact that could not be settled comes back by itself.
func (s *Service) settle(ctx context.Context, fact events.Fact) {
	err := errors.Join(s.wakeRun(ctx, fact), s.startOn(ctx, fact))
	e := s.db.System(ctx, func(tx pgx.Tx) error {
		if err != nil {
			return events.FailFact(ctx, tx, fact.ID, err.Error())
		}
		return events.FinishFact(ctx, tx, fact.ID)
	})
	if err = errors.Join(err, e); err != nil && ctx.Err() == nil {
		s.logger.WarnContext(ctx, "fact not settled yet", "fact", fact.ID, "kind", fact.Kind, "attempt", fact.Attempt, "error", err)
	}
}

// wakeRun tells a fact to the run that it names, if that run is still open.
func (s *Service) wakeRun(ctx context.Context, fact events.Fact) error {
	if fact.Run == [16]byte{} {
		return nil
	}
	told, cancel := context.WithTimeout(ctx, signalTimeout)
	defer cancel()
	err := s.temporal.SignalWorkflow(told, fact.Run.String(), "", process.SignalFact, process.Fact{ID: fact.ID.String(), Kind: fact.Kind, Data: fact.Payload})
	if _, ok := errors.AsType[*serviceerror.NotFound](err); !ok {
		return err
	}
	return s.db.Tx(ctx, fact.Organisation, func(tx pgx.Tx) error {
		row, err := queries.GetRun(ctx, tx, fact.Run)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && row.EndedAt != nil {
			return nil
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("run %s is not running yet", fact.Run)
	})
}

// startOn starts every process that waits for such a fact, once for each fact.
func (s *Service) startOn(ctx context.Context, fact events.Fact) error {
	actor := "facts/" + fact.ID.String()
	ctx = auth.With(ctx, auth.Caller{Kind: auth.Service, Organisation: fact.Organisation, Actor: actor})
	for _, name := range s.catalogue.order {
		e := s.catalogue.byName[name]
		if e.StartOn != fact.Kind {
			continue
		}
		input := e.Input.ProtoReflect().New().Interface()
		err := protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(fact.Payload, input)
		if err == nil {
			err = validInput(input)
		}
		if err == nil {
			_, err = s.accept(ctx, acceptance{method: "StartRun", process: e, input: input, key: actor, actor: actor})
		}
		if connect.CodeOf(err) == connect.CodeInvalidArgument {
			s.logger.ErrorContext(ctx, "fact does not fit the process that starts on it", "process", name, "fact", fact.ID, "error", err)
			continue // another attempt would not fit either
		}
		if err != nil {
			return err
		}
	}
	return nil
}
