package recordimport

import (
	"path"
	"time"

	"go.temporal.io/sdk/workflow"

	files "github.com/microservicehub/mshub/activities/files"
	records "github.com/microservicehub/mshub/activities/records"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	"github.com/microservicehub/mshub/workflows/process"
	recordimportv1 "github.com/microservicehub/mshub/workflows/recordimport/v1"
)

// parallel chunks keep the parser and the database busy at once; more would only queue at the database.
const parallel = 2

// Process is the import as the house knows it.
var Process = process.Definition{
	Name:        "recordimport",
	Title:       "Import records",
	Description: "Reads a file into a dataset: new records are added, known ones updated, or all replaced or deleted; wrong rows are listed with their reasons, to be corrected and read again.",
	Input:       &recordimportv1.Input{},
	Result:      &recordimportv1.Result{},
	Permission:  "records.write",
	Queue:       process.QueueBatch,
	Key:         "dataset",
	Keepable:    true,
	RetryInput:  "rejectsOf",
	Steps: []process.Step{
		{Name: "file", Title: "Find the file", Kind: process.Activity, Optional: true},
		// One pass over the whole file: a gigabyte takes about half a minute. The plan is kept at its end, as a whole.
		{Name: "plan", Title: "Read and divide it", Kind: process.Activity, Once: true, Interruptible: true, Timeout: 30 * time.Minute},
		{Name: "chunks", Title: "Write the rows", Kind: process.Many, Timeout: 10 * time.Minute},
		{Name: "finish", Title: "Sum up", Kind: process.Activity, Timeout: 30 * time.Minute, Final: true},
		{Name: "rejects", Title: "Keep the rejected rows", Kind: process.Activity, Optional: true, Timeout: 30 * time.Minute},
	},
	Workflow: Workflow,
}

// linksWhenNeeded is the version of the story since which a link is made right before it is used, so that none expires
// while the run is paused, and the rejected rows become a file after everything else. Runs that began before go on so.
const linksWhenNeeded workflow.Version = 1

// Workflow is the story; see the package.
func Workflow(ctx workflow.Context, in *recordimportv1.Input) (result *recordimportv1.Result, err error) {
	version := workflow.GetVersion(ctx, "story", workflow.DefaultVersion, linksWhenNeeded)
	var failed bool // asked when it is undone
	defer func() { failed = err != nil && ctx.Err() == nil }()
	name, err := sourceName(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := process.SetTitle(ctx, name); err != nil {
		return nil, err
	}
	request := func(ctx workflow.Context) (*recordsv1.PlanImportRequest, error) { return source(ctx, in) }
	if version < linksWhenNeeded {
		made, err := source(ctx, in)
		if err != nil {
			return nil, err
		}
		request = func(workflow.Context) (*recordsv1.PlanImportRequest, error) { return made, nil }
	}
	abort := func(ctx workflow.Context, _ *recordsv1.PlanImportResponse) *recordsv1.AbortImportRequest {
		return &recordsv1.AbortImportRequest{Keep: process.Kept(ctx) || failed && in.GetKeepOnFailure()}
	}
	plan, err := process.DoWith(ctx, "plan", recordVerbs.PlanImport, request, process.UndoBy(recordVerbs.AbortImport, abort).EvenIfKept())
	if err != nil {
		return nil, err
	}
	chunk := func(item int32) *recordsv1.ImportChunkRequest { return &recordsv1.ImportChunkRequest{Chunk: item} }
	if err := process.Each(ctx, "chunks", plan.GetChunks(), parallel, recordVerbs.ImportChunk, chunk); err != nil {
		return nil, err
	}
	if version < linksWhenNeeded {
		return finishWithLink(ctx, name)
	}
	return finish(ctx, name)
}

// Verbs are named by the methods of nil pointers; the workers have the real ones.
var (
	fileVerbs   *files.Activities
	recordVerbs *records.Activities
)

// sourceName is what people see: only a file must be looked for.
func sourceName(ctx workflow.Context, in *recordimportv1.Input) (string, error) {
	switch {
	case in.GetRejectsOf() != "":
		return "Rejected rows of " + in.GetRejectsOf(), nil
	case in.GetFile() == "":
		return path.Base(in.GetSourceUrl()), nil
	}
	file, err := process.Do(ctx, "file", fileVerbs.GetFile, &filesv1.GetFileRequest{Name: in.GetFile()})
	return file.GetFileName(), err
}

// source says what is read. A run that retries another one has that one's input, of which only the rejects count.
func source(ctx workflow.Context, in *recordimportv1.Input) (*recordsv1.PlanImportRequest, error) {
	if in.GetRejectsOf() != "" {
		return &recordsv1.PlanImportRequest{RejectsOf: in.GetRejectsOf(), MaxRejects: in.GetMaxRejects()}, nil
	}
	request := &recordsv1.PlanImportRequest{Dataset: in.GetDataset(), Mode: in.GetMode(), Format: in.GetFormat(), MaxRejects: in.GetMaxRejects()}
	if request.GetMode() == recordsv1.ImportMode_IMPORT_MODE_UNSPECIFIED {
		request.Mode = recordsv1.ImportMode_UPSERT
	}
	if in.GetFile() == "" {
		request.ExternalUrl = in.GetSourceUrl()
		return request, nil
	}
	link, err := process.Aside(ctx, "plan", "link", fileVerbs.CreateDownload, &filesv1.CreateDownloadRequest{Name: in.GetFile()})
	request.SourceUrl = link.GetUrl()
	return request, err
}

// finish sums up. From then on the rows are in whatever happens: for want of a list of the rejected ones no import fails.
func finish(ctx workflow.Context, source string) (*recordimportv1.Result, error) {
	sum, err := process.Do(ctx, "finish", recordVerbs.FinishImport, &recordsv1.FinishImportRequest{})
	if err != nil {
		return nil, err
	}
	result := resultOf(sum)
	if sum.GetRejected() == 0 {
		return result, nil
	}
	if result.Rejects, err = keepRejects(ctx, source); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		workflow.GetLogger(ctx).Warn("the rejected rows could not be made a file", "error", err)
		result.Warning = "the file of rejected rows could not be kept; the rows themselves are listed as imports/" + runID(ctx) + "/rejects"
	}
	return result, nil
}

func resultOf(sum *recordsv1.FinishImportResponse) *recordimportv1.Result {
	return &recordimportv1.Result{
		Read: sum.GetRead(), Inserted: sum.GetInserted(), Updated: sum.GetUpdated(), Unchanged: sum.GetUnchanged(), Rejected: sum.GetRejected(),
		Deleted: sum.GetDeleted(),
	}
}

func runID(ctx workflow.Context) string { return workflow.GetInfo(ctx).WorkflowExecution.ID }

// keepRejects makes the rejected rows a file. What is in the way is shown at the step.
func keepRejects(ctx workflow.Context, source string) (string, error) {
	var upload *filesv1.CreateUploadResponse
	send := func(ctx workflow.Context) (_ *recordsv1.FinishImportRequest, err error) {
		upload, err = process.Aside(ctx, "rejects", "upload", fileVerbs.CreateUpload, &filesv1.CreateUploadRequest{
			FileName: rejectsName(source), ContentType: "text/csv",
		})
		return &recordsv1.FinishImportRequest{RejectsUrl: upload.GetUrl()}, err
	}
	sent, err := process.DoWith(ctx, "rejects", recordVerbs.FinishImport, send)
	if err != nil {
		return "", err
	}
	file, err := process.Aside(ctx, "rejects", "keep", fileVerbs.CompleteUpload, &filesv1.CompleteUploadRequest{
		Name: upload.GetFile().GetName(), Size: sent.GetRejectsSize(), Sha256: sent.GetRejectsSha256(),
	})
	if err != nil {
		err = process.FailStep(ctx, "rejects", process.ReasonOf(err), "the file was sent, but is not kept")
	}
	return file.GetName(), err
}

// finishWithLink is finish as it was before linksWhenNeeded.
func finishWithLink(ctx workflow.Context, source string) (*recordimportv1.Result, error) {
	upload, err := process.Aside(ctx, "finish", "upload", fileVerbs.CreateUpload, &filesv1.CreateUploadRequest{
		FileName: rejectsName(source), ContentType: "text/csv",
	})
	if err != nil {
		return nil, err
	}
	sum, err := process.Do(ctx, "finish", recordVerbs.FinishImport, &recordsv1.FinishImportRequest{RejectsUrl: upload.GetUrl()})
	if err != nil {
		return nil, err
	}
	result := resultOf(sum)
	if sum.GetRejected() == 0 {
		_, _ = process.Aside(ctx, "rejects", "drop", fileVerbs.DeleteFile, &filesv1.DeleteFileRequest{Name: upload.GetFile().GetName()})
		return result, nil
	}
	rejects, err := process.Do(ctx, "rejects", fileVerbs.CompleteUpload, &filesv1.CompleteUploadRequest{
		Name: upload.GetFile().GetName(), Size: sum.GetRejectsSize(), Sha256: sum.GetRejectsSha256(),
	})
	result.Rejects = rejects.GetName()
	return result, err
}

// rejectsName keeps within what a file may be called.
func rejectsName(source string) string {
	const suffix = ".rejects.csv"
	if most := 255 - len(suffix); len(source) > most {
		source = source[:most]
	}
	return source + suffix
}
