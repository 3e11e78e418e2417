package runbulk

import (
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	files "github.com/microservicehub/mshub/activities/files"
	runs "github.com/microservicehub/mshub/activities/runs"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	runbulkv1 "github.com/microservicehub/mshub/workflows/runbulk/v1"
)

// parallel batches; within one, several runs are commanded at once already.
const parallel = 2

// Process is the bulk command as the house knows it.
var Process = process.Definition{
	Name:        "runbulk",
	Title:       "Command many runs",
	Description: "Pauses, resumes, cancels, retries or terminates every run that a filter names; a dry run counts them. Runs that refuse are listed with the reason.",
	Input:       &runbulkv1.Input{},
	Result:      &runbulkv1.Result{},
	Permission:  "runs.write",
	Queue:       process.QueueBatch,
	Steps: []process.Step{
		{Name: "plan", Title: "Find the runs", Kind: process.Activity, Timeout: 5 * time.Minute},
		{Name: "apply", Title: "Command them", Kind: process.Many, Timeout: 5 * time.Minute},
		{Name: "finish", Title: "Sum up", Kind: process.Activity, Timeout: 5 * time.Minute},
		{Name: "failures", Title: "Keep the refusals", Kind: process.Activity, Optional: true},
	},
	Workflow: Workflow,
}

// Verbs are named by the methods of nil pointers; the workers have the real ones.
var (
	runVerbs *runs.Activities
	store    *files.Activities
)

// linksWhenNeeded is the version of the story since which the link for the list is made right before it is used, so that it
// does not expire while the run is paused, and titles begin as sentences do. Runs that began before go on as they began.
const linksWhenNeeded workflow.Version = 1

// Workflow is the story; see the package.
func Workflow(ctx workflow.Context, in *runbulkv1.Input) (*runbulkv1.Result, error) {
	version := workflow.GetVersion(ctx, "story", workflow.DefaultVersion, linksWhenNeeded)
	title := titleOf(in)
	if version >= linksWhenNeeded {
		title = strings.ToUpper(title[:1]) + title[1:]
	}
	if err := process.SetTitle(ctx, title); err != nil {
		return nil, err
	}
	plan, err := process.Do(ctx, "plan", runVerbs.PlanBulk, &runsv1.PlanBulkRequest{
		Command: in.GetCommand(), Reason: in.GetReason(), Filter: in.GetFilter(), DryRun: in.GetDryRun(),
	})
	if err != nil {
		return nil, err
	}
	result := &runbulkv1.Result{Runs: plan.GetRuns()}
	if in.GetDryRun() {
		return result, nil
	}
	batch := func(item int32) *runsv1.ApplyBulkRequest { return &runsv1.ApplyBulkRequest{Batch: item} }
	if err := process.Each(ctx, "apply", plan.GetBatches(), parallel, runVerbs.ApplyBulk, batch); err != nil {
		return nil, err
	}
	return result, finish(ctx, result, version)
}

func titleOf(in *runbulkv1.Input) string {
	title := strings.ToLower(strings.ReplaceAll(in.GetCommand().String(), "_", " ")) + " many"
	if in.GetDryRun() {
		title += " (dry run)"
	}
	return title
}

// finish sums up. The place for the list must exist before it is known whether anything is to be listed.
func finish(ctx workflow.Context, result *runbulkv1.Result, version workflow.Version) error {
	place := func(ctx workflow.Context) (*filesv1.CreateUploadResponse, error) {
		return process.Aside(ctx, "finish", "upload", store.CreateUpload, &filesv1.CreateUploadRequest{
			FileName: "refused-commands.csv", ContentType: "text/csv",
		})
	}
	upload, sum, err := summedUp(ctx, place, version)
	if err != nil {
		return err
	}
	result.Done, result.Failed = sum.GetDone(), sum.GetFailed()
	if sum.GetFailuresSize() == 0 {
		// An upload that nobody completes is deleted after a day anyway, so a failure here is none of the run's.
		_, _ = process.Aside(ctx, "failures", "drop", store.DeleteFile, &filesv1.DeleteFileRequest{Name: upload.GetFile().GetName()})
		return nil
	}
	if upload == nil { // the run was reset to go on from the list: the same place again
		if upload, err = place(ctx); err != nil {
			return err
		}
	}
	list, err := process.Do(ctx, "failures", store.CompleteUpload, &filesv1.CompleteUploadRequest{
		Name: upload.GetFile().GetName(), Size: sum.GetFailuresSize(), Sha256: sum.GetFailuresSha256(),
	})
	result.Failures = list.GetName()
	return err
}

// summedUp is the sum, and the place where the list was sent; nil if that happened before the run was reset.
func summedUp(
	ctx workflow.Context, place func(workflow.Context) (*filesv1.CreateUploadResponse, error), version workflow.Version,
) (upload *filesv1.CreateUploadResponse, sum *runsv1.FinishBulkResponse, err error) {
	if version < linksWhenNeeded {
		if upload, err = place(ctx); err != nil {
			return nil, nil, err
		}
		sum, err = process.Do(ctx, "finish", runVerbs.FinishBulk, &runsv1.FinishBulkRequest{FailuresUrl: upload.GetUrl()})
		return upload, sum, err
	}
	sum, err = process.DoWith(ctx, "finish", runVerbs.FinishBulk, func(ctx workflow.Context) (_ *runsv1.FinishBulkRequest, err error) {
		upload, err = place(ctx)
		return &runsv1.FinishBulkRequest{FailuresUrl: upload.GetUrl()}, err
	})
	return upload, sum, err
}
