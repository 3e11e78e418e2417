// Package workflows is the list of processes. A process is a folder; adding one is a folder and a line here.
package workflows

import (
	"embed"
	"io/fs"

	"github.com/microservicehub/mshub/workflows/digest"
	"github.com/microservicehub/mshub/workflows/erasure"
	"github.com/microservicehub/mshub/workflows/onboarding"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/recordexport"
	"github.com/microservicehub/mshub/workflows/recordimport"
	"github.com/microservicehub/mshub/workflows/runbulk"
	"github.com/microservicehub/mshub/workflows/userbulk"
	"github.com/microservicehub/mshub/workflows/webhookdelivery"
)

// All processes, in the order in which people see them.
var All = []process.Definition{
	onboarding.Process,
	recordimport.Process,
	recordexport.Process,
	userbulk.Process,
	runbulk.Process,
	erasure.Process,
	digest.Process,
	webhookdelivery.Process,
}

//go:embed schema/*.json
var embedded embed.FS

// Schemas are the JSON Schemas of the processes' inputs and results, generated from their doors.
var Schemas = sub(embedded, "schema")

func sub(files fs.FS, folder string) fs.FS {
	inside, err := fs.Sub(files, folder)
	if err != nil {
		panic(err) // the folder is embedded
	}
	return inside
}
