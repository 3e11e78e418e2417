package runs

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/postgres"
	"github.com/microservicehub/mshub/internal/rpc"
	runcontext "github.com/microservicehub/mshub/internal/temporal"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// erasePatience bounds the deletion of one execution.
const erasePatience = 5 * time.Second

// EraseSubject blanks ended runs that concern a person, and puts a pseudonym where the person acted in others. A run that
// is open is named and left alone: its process may still need what is in it. Repeating it goes on where it was.
//
// A blanked run is a tombstone: that it was, when, of which process, and how it ended. Its execution is deleted in Temporal
// first, so that whatever happens in between is made good by the next call.
func (s *Service) EraseSubject(ctx context.Context, req *runsv1.EraseSubjectRequest) (*runsv1.EraseSubjectResponse, error) {
	caller, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	text, ok := strings.CutPrefix(req.GetUser(), "users/")
	id, err := uuid.Parse(text)
	if !ok || err != nil {
		return nil, rpc.Invalid("user", "must be users/ID")
	}
	who := subject{actor: "users/" + id.String(), email: strings.ToLower(strings.TrimSpace(req.GetEmail()))}
	found, res, err := s.findSubject(ctx, caller, who)
	if err != nil || req.GetDryRun() {
		return res, err
	}
	for _, run := range found.about {
		if err := s.forgetExecution(ctx, run); err != nil {
			return nil, err
		}
	}
	err = s.tx(ctx, func(tx pgx.Tx) error {
		if err := s.blank(ctx, tx, who, found); err != nil || len(res.GetOpenRuns()) > 0 {
			return err // the erasure may be given up while it waits, and made anew
		}
		return hide(ctx, tx, who, caller)
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// subject is the person whom an erasure is about.
type subject struct{ actor, email string }

// pseudonym stands for the person from then on: the same one wherever it acted, and nobody.
func (w subject) pseudonym() string { return "users/erased-" + w.actor[len(w.actor)-12:] }

func (w subject) names() []string {
	names := []string{w.actor}
	if w.email != "" {
		names = append(names, w.email)
	}
	return names
}

// trace is where a person is found: in runs about it, and in runs where it acted.
type trace struct{ about, by []uuid.UUID }

func (s *Service) findSubject(ctx context.Context, caller uuid.UUID, who subject) (found trace, res *runsv1.EraseSubjectResponse, err error) {
	err = s.tx(ctx, func(tx pgx.Tx) error {
		found, res = trace{}, &runsv1.EraseSubjectResponse{}
		about, err := queries.RunsAbout(ctx, tx, store.RunsAboutParams{Subjects: who.names(), Caller: caller})
		if err != nil {
			return err
		}
		for _, run := range about {
			if run.Ended {
				found.about = append(found.about, run.ID)
			} else {
				res.OpenRuns = append(res.OpenRuns, events.RunName(run.ID))
			}
		}
		by, err := queries.RunsBy(ctx, tx, who.actor)
		if err != nil {
			return err
		}
		found.by = slices.DeleteFunc(by, func(run uuid.UUID) bool { return run == caller })
		res.Runs = int64(len(found.about))
		for _, run := range found.by {
			if !slices.Contains(found.about, run) {
				res.Runs++
			}
		}
		if res.Tasks, err = queries.CountTasksOf(ctx, tx, found.about); err != nil {
			return err
		}
		res.Events, err = events.CountBlankable(ctx, tx, found.about)
		return err
	})
	return found, res, err
}

func (s *Service) blank(ctx context.Context, tx pgx.Tx, who subject, found trace) error {
	nobody := who.pseudonym()
	_, blanked := events.Blank(ctx, tx, found.about)
	_, replaced := events.Anonymise(ctx, tx, found.by, who.actor, nobody)
	_, tasks := queries.BlankTasks(ctx, tx, found.about)
	words := who.names()
	for _, run := range found.about {
		words = append(words, events.RunName(run))
	}
	_, facts := events.BlankFacts(ctx, tx, words...)
	answers := postgres.ForgetAnswersAbout(ctx, tx, "runs", words...)
	return errors.Join(
		blanked, replaced, tasks, facts, answers,
		queries.BlankRuns(ctx, tx, found.about),
		queries.BlankVotes(ctx, tx, found.about),
		queries.AnonymiseTasks(ctx, tx, store.AnonymiseTasksParams{Actor: who.actor, Nobody: nobody, Runs: append(found.by, found.about...)}),
		queries.AnonymiseVotes(ctx, tx, store.AnonymiseVotesParams{Actor: who.actor, Nobody: nobody, Runs: append(found.by, found.about...)}),
		queries.AnonymiseRuns(ctx, tx, store.AnonymiseRunsParams{Actor: who.actor, Nobody: nobody}),
		queries.AnonymiseSchedules(ctx, tx, store.AnonymiseSchedulesParams{Actor: who.actor, Nobody: nobody, Now: s.now()}),
		queries.AnonymiseKeepers(ctx, tx, store.AnonymiseKeepersParams{Actor: who.actor, Nobody: nobody}),
		queries.DropSubjects(ctx, tx, found.about),
		audit.Append(ctx, tx, audit.Entry{Action: action("EraseSubject"), Target: who.actor, After: map[string]any{"runs": len(found.about), "actedIn": len(found.by)}}),
	)
}

// hide takes the address off the run that erases: whoever started it may have named the person so.
func hide(ctx context.Context, tx pgx.Tx, who subject, caller uuid.UUID) error {
	if who.email == "" {
		return nil
	}
	return queries.HideAddress(ctx, tx, store.HideAddressParams{
		Run: caller, Address: who.email, Pattern: regexp.QuoteMeta(who.email), Nobody: who.pseudonym(),
	})
}

// forgetExecution deletes a run's history in Temporal; what is not there is deleted.
func (s *Service) forgetExecution(ctx context.Context, run uuid.UUID) error {
	ctx, cancel := context.WithTimeout(ctx, erasePatience)
	defer cancel()
	_, err := s.temporal.WorkflowService().DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: runcontext.Namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: run.String()},
	})
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone || err == nil {
		return nil
	}
	s.logger.WarnContext(ctx, "a run's history can't be deleted now", "run", run, "error", err)
	return rpc.Unavailable("Temporal does not answer; nothing was erased yet, try again")
}
