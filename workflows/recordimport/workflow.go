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
		// One pass over the whole file: a gigabyte takes about half a minute.
		{Name: "plan", Title: "Read and divide it", Kind: process.Activity, Once: true, Timeout: 30 * time.Minute},
		{Name: "chunks", Title: "Write the rows", Kind: process.Many, Timeout: 10 * time.Minute},
		{Name: "finish", Title: "Sum up", Kind: process.Activity, Timeout: 30 * time.Minute, Final: true},
		{Name: "rejects", Title: "Keep the rejected rows", Kind: process.Activity, Optional: true},
	},
	Workflow: Workflow,
}

// Workflow is the story; see the package.
func Workflow(ctx workflow.Context, in *recordimportv1.Input) (result *recordimportv1.Result, err error) {
	var failed bool // asked when it is undone
	defer func() { failed = err != nil && ctx.Err() == nil }()
	name, err := sourceName(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := process.SetTitle(ctx, name); err != nil {
		return nil, err
	}
	request, err := source(ctx, in)
	if err != nil {
		return nil, err
	}
	abort := func(ctx workflow.Context, _ *recordsv1.PlanImportResponse) *recordsv1.AbortImportRequest {
		return &recordsv1.AbortImportRequest{Keep: process.Kept(ctx) || failed && in.GetKeepOnFailure()}
	}
	plan, err := process.Do(ctx, "plan", recordVerbs.PlanImport, request, process.UndoBy(recordVerbs.AbortImport, abort).EvenIfKept())
	if err != nil {
		return nil, err
	}
	chunk := func(item int32) *recordsv1.ImportChunkRequest { return &recordsv1.ImportChunkRequest{Chunk: item} }
	if err := process.Each(ctx, "chunks", plan.GetChunks(), parallel, recordVerbs.ImportChunk, chunk); err != nil {
		return nil, err
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

// finish sums up. The place for the rejected rows must exist before it is known whether there are any.
func finish(ctx workflow.Context, source string) (*recordimportv1.Result, error) {
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
	result := &recordimportv1.Result{
		Read: sum.GetRead(), Inserted: sum.GetInserted(), Updated: sum.GetUpdated(), Unchanged: sum.GetUnchanged(), Rejected: sum.GetRejected(),
		Deleted: sum.GetDeleted(),
	}
	if sum.GetRejected() == 0 {
		// An upload that nobody completes is deleted after a day anyway, so a failure here is none of the run's.
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
