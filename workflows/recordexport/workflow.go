package recordexport

import (
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	files "github.com/microservicehub/mshub/activities/files"
	records "github.com/microservicehub/mshub/activities/records"
	filesv1 "github.com/microservicehub/mshub/services/files/v1"
	recordsv1 "github.com/microservicehub/mshub/services/records/v1"
	"github.com/microservicehub/mshub/workflows/process"
	recordexportv1 "github.com/microservicehub/mshub/workflows/recordexport/v1"
)

// parallel parts keep the database and the packing busy at once; more would only queue at the database.
const parallel = 2

// Process is the export as the house knows it.
var Process = process.Definition{
	Name:        "recordexport",
	Title:       "Export records",
	Description: "Writes a dataset, or what a filter leaves of it, into a file for download: CSV, NDJSON or Parquet.",
	Input:       &recordexportv1.Input{},
	Result:      &recordexportv1.Result{},
	Permission:  "records.read",
	Queue:       process.QueueBatch,
	Steps: []process.Step{
		// Counting what a filter leaves of ten million records takes a while.
		{Name: "plan", Title: "Check and divide", Kind: process.Activity, Once: true, Interruptible: true, Timeout: 10 * time.Minute},
		{Name: "parts", Title: "Read the records", Kind: process.Many, Timeout: 10 * time.Minute},
		{Name: "file", Title: "Make room for the file", Kind: process.Activity},
		// All bytes of the file are read twice and sent once; Parquet is written here.
		{Name: "join", Title: "Join the parts", Kind: process.Activity, Interruptible: true, Timeout: time.Hour},
		{Name: "keep", Title: "Keep the file", Kind: process.Activity, Timeout: 30 * time.Minute},
	},
	Workflow: Workflow,
}

// Verbs are named by the methods of nil pointers; the workers have the real ones.
var (
	fileVerbs   *files.Activities
	exportVerbs *records.Exports
)

// freshLinks is the version of the story since which the joining is broken off by a pause, and has a new link whenever it
// begins. Runs that began before go on as they began.
const freshLinks workflow.Version = 1

// Workflow is the story; see the package.
func Workflow(ctx workflow.Context, in *recordexportv1.Input) (*recordexportv1.Result, error) {
	version := workflow.GetVersion(ctx, "story", workflow.DefaultVersion, freshLinks)
	if err := process.SetTitle(ctx, strings.TrimPrefix(in.GetDataset(), "datasets/")); err != nil {
		return nil, err
	}
	plan, err := planExport(ctx, in)
	if err != nil {
		return nil, err
	}
	part := func(item int32) *recordsv1.ExportPartRequest { return &recordsv1.ExportPartRequest{Part: item} }
	if err := process.Each(ctx, "parts", plan.GetParts(), parallel, exportVerbs.ExportPart, part); err != nil {
		return nil, err
	}
	upload, err := makeRoom(ctx, plan)
	if err != nil {
		return nil, err
	}
	sum, err := join(ctx, plan, upload, version)
	if err != nil {
		return nil, err
	}
	file, err := process.Do(ctx, "keep", fileVerbs.CompleteUpload, &filesv1.CompleteUploadRequest{
		Name: upload.GetFile().GetName(), Size: sum.GetBytes(), Sha256: sum.GetSha256(),
	})
	if err != nil {
		return nil, err
	}
	return &recordexportv1.Result{
		File: file.GetName(), Rows: sum.GetRows(), Bytes: sum.GetBytes(), Sha256: sum.GetSha256(), AmbiguousCells: sum.GetAmbiguousCells(),
	}, nil
}

func planExport(ctx workflow.Context, in *recordexportv1.Input) (*recordsv1.PlanExportResponse, error) {
	format := in.GetFormat()
	if format == recordsv1.Export_FORMAT_UNSPECIFIED {
		format = recordsv1.Export_CSV
	}
	abort := func(workflow.Context, *recordsv1.PlanExportResponse) *recordsv1.AbortExportRequest {
		return &recordsv1.AbortExportRequest{}
	}
	return process.Do(ctx, "plan", exportVerbs.PlanExport, &recordsv1.PlanExportRequest{
		Dataset: in.GetDataset(), Filter: in.GetFilter(), Columns: in.GetColumns(), Format: format, Compression: in.GetCompression(), NullToken: in.GetNullToken(),
	}, process.UndoBy(exportVerbs.AbortExport, abort))
}

// makeRoom makes the place for the file, which goes again unless the run succeeds.
func makeRoom(ctx workflow.Context, plan *recordsv1.PlanExportResponse) (*filesv1.CreateUploadResponse, error) {
	remove := func(_ workflow.Context, made *filesv1.CreateUploadResponse) *filesv1.DeleteFileRequest {
		if made == nil {
			return nil // what nobody completes is deleted after a day
		}
		return &filesv1.DeleteFileRequest{Name: made.GetFile().GetName()}
	}
	return process.Do(ctx, "file", fileVerbs.CreateUpload, roomFor(plan), process.UndoBy(fileVerbs.DeleteFile, remove))
}

func roomFor(plan *recordsv1.PlanExportResponse) *filesv1.CreateUploadRequest {
	return &filesv1.CreateUploadRequest{FileName: plan.GetFileName(), ContentType: plan.GetContentType()}
}

// join sends all parts to the place for the file. A pause may last longer than a link lives.
func join(
	ctx workflow.Context, plan *recordsv1.PlanExportResponse, upload *filesv1.CreateUploadResponse, version workflow.Version,
) (*recordsv1.FinishExportResponse, error) {
	request := func(ctx workflow.Context) (*recordsv1.FinishExportRequest, error) {
		same, err := process.Again(ctx, "file", fileVerbs.CreateUpload, roomFor(plan))
		return &recordsv1.FinishExportRequest{UploadUrl: same.GetUrl()}, err
	}
	if version < freshLinks {
		ctx = process.Uninterrupted(ctx)
		request = func(workflow.Context) (*recordsv1.FinishExportRequest, error) {
			return &recordsv1.FinishExportRequest{UploadUrl: upload.GetUrl()}, nil
		}
	}
	return process.DoWith(ctx, "join", exportVerbs.FinishExport, request)
}
