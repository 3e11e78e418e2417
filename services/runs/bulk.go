package runs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/events"
	eventsv1 "github.com/microservicehub/mshub/events/v1"
	"github.com/microservicehub/mshub/internal/audit"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

const (
	// bulkBatch runs are one step: at worst, when no worker answers, bulkPatience and half a minute.
	bulkBatch = 50
	// bulkAtOnce of them are commanded at the same time.
	bulkAtOnce = 8
	// bulkPatience is how long a batch asks again where nobody answers: by then a worker that was killed is back.
	bulkPatience = time.Minute
	// bulkPause lies between two tries.
	bulkPause = 500 * time.Millisecond
	// failuresType is the content type of the list of failures; CreateUpload must name it, since the link covers it.
	failuresType = "text/csv"
)

// PlanBulk keeps the runs that the filter names now; those that come later are not part of it. RETRY takes those that
// ended without success, every other command those that are open.
func (s *Service) PlanBulk(ctx context.Context, req *runsv1.PlanBulkRequest) (*runsv1.PlanBulkResponse, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	listing, err := listing(0, "", req.GetFilter(), runColumns)
	if err != nil {
		return nil, err
	}
	var bulk store.Bulk
	err = s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := bulkCaller(ctx, tx, run); err != nil {
			return err
		}
		inserted, err := queries.InsertBulk(ctx, tx, store.InsertBulkParams{
			Run: run, OrganisationID: auth.From(ctx).Organisation, Command: req.GetCommand().String(), Reason: req.GetReason(), DryRun: req.GetDryRun(),
		})
		if err != nil {
			return err
		}
		if inserted > 0 {
			n, err := store.PlanBulk(ctx, tx, run, bulkBatch, listing, req.GetCommand() == runsv1.Run_RETRY, !req.GetDryRun())
			if err != nil {
				return err
			}
			batches := (n + bulkBatch - 1) / bulkBatch
			if req.GetDryRun() {
				batches = 0
			}
			if err := queries.SetBulkSize(ctx, tx, store.SetBulkSizeParams{Run: run, Runs: n, Batches: int32(batches)}); err != nil {
				return err
			}
			err = audit.Append(ctx, tx, audit.Entry{
				Action: action("PlanBulk"), Target: events.RunName(run), Reason: req.GetReason(),
				After: map[string]any{"command": req.GetCommand().String(), "runs": n, "dryRun": req.GetDryRun()},
			})
			if err != nil {
				return err
			}
		}
		bulk, err = queries.GetBulk(ctx, tx, run)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &runsv1.PlanBulkResponse{Batches: bulk.Batches, Runs: bulk.Runs, Progress: &eventsv1.Progress{Total: bulk.Runs, Unit: "runs"}}, nil
}

// bulkCaller is in whose name a bulk run commands: its starter, with the rights that the starter had when it began. So a
// command to a run of a process with a permission of its own needs that permission then, as if given by hand.
func bulkCaller(ctx context.Context, tx pgx.Tx, run uuid.UUID) (auth.Caller, error) {
	row, err := runRow(ctx, tx, run)
	if err != nil {
		return auth.Caller{}, err
	}
	caller := onBehalf(row.OrganisationID, row.Actor, row.Permissions, row.Keepers)
	caller.Run = run // the audit says by which run
	return caller, auth.Require(caller, "runs.write", "runs:write")
}

// ApplyBulk commands one batch. What a run refuses is kept with the reason.
func (s *Service) ApplyBulk(ctx context.Context, req *runsv1.ApplyBulkRequest) (*runsv1.ApplyBulkResponse, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	var bulk store.Bulk
	var caller auth.Caller
	var items []store.BulkItem
	err = s.tx(ctx, func(tx pgx.Tx) error {
		if bulk, err = queries.GetBulk(ctx, tx, run); errors.Is(err, pgx.ErrNoRows) {
			return rpc.Precondition("NOT_PLANNED", "the bulk command has no plan yet")
		}
		if err != nil {
			return err
		}
		if caller, err = bulkCaller(ctx, tx, run); err != nil {
			return err
		}
		if items, err = queries.BulkBatch(ctx, tx, store.BulkBatchParams{Bulk: run, Batch: req.GetBatch()}); err != nil {
			return err
		}
		return queries.BeginBulkItems(ctx, tx, store.BeginBulkItemsParams{Bulk: run, Batch: req.GetBatch()})
	})
	if err != nil {
		return nil, err
	}
	patient, done := context.WithTimeout(ctx, bulkPatience)
	defer done()
	var group sync.WaitGroup
	slots, faults := make(chan struct{}, bulkAtOnce), make([]error, len(items))
	for i := range items {
		if items[i].State == "DONE" || items[i].State == "FAILED" {
			continue
		}
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			faults[i] = s.applyOne(auth.With(ctx, caller), patient, bulk, &items[i])
		})
	}
	group.Wait()
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	res := &runsv1.ApplyBulkResponse{Progress: &eventsv1.Progress{Done: int64(len(items)), Unit: "runs"}}
	for _, item := range items {
		if item.State == "DONE" {
			res.Done++
		} else {
			res.Failed++
		}
	}
	return res, nil
}

// applyOne commands one run and keeps what came of it. An error says that nothing is known: the batch will be repeated. A run
// that gives no answer is asked again while the batch is patient; then that is what came of it.
func (s *Service) applyOne(ctx, patient context.Context, bulk store.Bulk, item *store.BulkItem) error {
	err := s.bulkCommand(ctx, bulk, item.Target)
	for connect.CodeOf(err) == connect.CodeUnavailable && patient.Err() == nil {
		item.State = "BEGUN" // it may have worked
		select {
		case <-patient.Done():
		case <-time.After(bulkPause):
		}
		err = s.bulkCommand(ctx, bulk, item.Target)
	}
	if err != nil && item.State == "BEGUN" && slices.Contains(workedBefore[bulk.Command], rpc.ReasonOf(err)) {
		err = nil // an earlier try has done it and could not say so
	}
	params := store.EndBulkItemParams{Bulk: item.Bulk, Batch: item.Batch, Target: item.Target, State: "DONE"}
	if err != nil {
		if rpc.ReasonOf(err) == "" || ctx.Err() != nil {
			return err
		}
		params.State, params.Reason, params.Message = "FAILED", rpc.ReasonOf(err), rpc.Message(err)
	}
	item.State = params.State
	return s.tx(ctx, func(tx pgx.Tx) error { return queries.EndBulkItem(ctx, tx, params) })
}

// workedBefore are the refusals that a command meets when it has worked before.
var workedBefore = map[string][]string{
	runsv1.Run_PAUSE.String():      {"ALREADY_PAUSED"},
	runsv1.Run_RESUME.String():     {"NOT_PAUSED"},
	runsv1.Run_CANCEL.String():     {"ENDING", "ENDED"},
	runsv1.Run_TERMINATE.String():  {"ENDED"},
	runsv1.Run_RETRY_STEP.String(): {"NOT_FAILED"},
	runsv1.Run_SKIP_STEP.String():  {"NOT_FAILED"},
}

func (s *Service) bulkCommand(ctx context.Context, bulk store.Bulk, target uuid.UUID) (err error) {
	ctx = rpc.WithIdempotencyKey(ctx, fmt.Sprintf("bulk/%s/%s", bulk.Run, target))
	name, reason := events.RunName(target), bulk.Reason
	switch runsv1.Run_Command(runsv1.Run_Command_value[bulk.Command]) {
	case runsv1.Run_PAUSE:
		_, err = s.PauseRun(ctx, &runsv1.PauseRunRequest{Name: name, Reason: reason})
	case runsv1.Run_RESUME:
		_, err = s.ResumeRun(ctx, &runsv1.ResumeRunRequest{Name: name, Reason: reason})
	case runsv1.Run_CANCEL:
		_, err = s.CancelRun(ctx, &runsv1.CancelRunRequest{Name: name, Reason: reason})
	case runsv1.Run_RETRY:
		_, err = s.RetryRun(ctx, &runsv1.RetryRunRequest{Name: name, Reason: reason})
	case runsv1.Run_RETRY_STEP:
		_, err = s.RetryStep(ctx, &runsv1.RetryStepRequest{Name: name, Reason: reason})
	case runsv1.Run_SKIP_STEP:
		_, err = s.SkipStep(ctx, &runsv1.SkipStepRequest{Name: name, Reason: reason})
	case runsv1.Run_TERMINATE:
		_, err = s.TerminateRun(ctx, &runsv1.TerminateRunRequest{Name: name, Reason: reason})
	default:
		err = rpc.Precondition("NOT_FOR_MANY", "%s can't be given to many runs", bulk.Command)
	}
	return err
}

// FinishBulk sums up and, if runs refused, sends the list of them. Repeating it gives the same answer.
func (s *Service) FinishBulk(ctx context.Context, req *runsv1.FinishBulkRequest) (*runsv1.FinishBulkResponse, error) {
	run, err := callingRun(ctx)
	if err != nil {
		return nil, err
	}
	var count store.CountBulkRow
	var failures []store.BulkFailuresRow
	err = s.tx(ctx, func(tx pgx.Tx) (err error) {
		if count, err = queries.CountBulk(ctx, tx, run); err != nil {
			return err
		}
		failures, err = queries.BulkFailures(ctx, tx, run)
		return err
	})
	if err != nil {
		return nil, err
	}
	res := &runsv1.FinishBulkResponse{Done: count.Done, Failed: count.Failed}
	if len(failures) == 0 || req.GetFailuresUrl() == "" {
		return res, nil
	}
	var list bytes.Buffer
	w := csv.NewWriter(&list)
	_ = w.Write([]string{"run", "reason", "message"})
	for _, f := range failures {
		_ = w.Write([]string{events.RunName(f.Target), f.Reason, f.Message})
	}
	if w.Flush(); w.Error() != nil {
		return nil, w.Error()
	}
	sum := sha256.Sum256(list.Bytes())
	res.FailuresSize, res.FailuresSha256 = int64(list.Len()), hex.EncodeToString(sum[:])
	return res, s.put(ctx, req.GetFailuresUrl(), list.Bytes())
}

// putPatience bounds the sending of a list.
const putPatience = time.Minute

// put sends a list to a signed link.
func (s *Service) put(ctx context.Context, link string, content []byte) error {
	ctx, cancel := context.WithTimeout(ctx, putPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, link, bytes.NewReader(content))
	if err != nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return rpc.Invalid("failuresUrl", "must be an http or https link")
	}
	req.Header.Set("Content-Type", failuresType)
	req.Header.Set("If-None-Match", "*") // presigned links of S3 ask for it
	res, err := s.client.Do(req)
	if err != nil {
		return rpc.Unavailable("the file store can't be reached now; try again")
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode < 300, res.StatusCode == http.StatusPreconditionFailed: // 412: an earlier try has sent it
		return nil
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return rpc.Unavailable("the file store answers %d; try again", res.StatusCode)
	}
	return rpc.Precondition("FAILURES_REFUSED", "the link for the list of failures is refused (%d); make a new one for type %s", res.StatusCode, failuresType)
}
