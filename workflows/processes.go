// Package workflows is the list of processes. A process is a folder; adding one is a folder and a line here.
package workflows

import (
	"embed"
	"io/fs"

	"github.com/microservicehub/mshub/workflows/onboarding"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/recordimport"
)

// All processes, in the order in which people see them.
func All() []process.Definition {
	return []process.Definition{
		onboarding.Process,
		recordimport.Process,
	}
}

//go:embed schema/*.json
var schemas embed.FS

// Schemas are the JSON Schemas of the processes' inputs and results, generated from their doors.
func Schemas() fs.FS {
	sub, err := fs.Sub(schemas, "schema")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}
