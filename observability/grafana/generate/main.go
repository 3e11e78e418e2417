// Command generate writes the Grafana dashboards beside it. They are Go so that every panel has a title,
// a description, a unit and a data source by construction; the JSON is committed, and the same source
// always gives the same bytes.
//
//	go run ./observability/grafana/generate            writes observability/grafana/dashboards
//	go run ./observability/grafana/generate -check     fails if what is there differs
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	directory := flag.String("directory", "observability/grafana/dashboards", "where the JSON files lie")
	check := flag.Bool("check", false, "compare instead of writing")
	flag.Parse()
	if err := run(*directory, *check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(directory string, check bool) error {
	for _, d := range []dashboard{house()} {
		content, err := json.MarshalIndent(d.model(), "", "  ")
		if err != nil {
			return fmt.Errorf("render %s: %w", d.uid, err)
		}
		content = append(content, '\n')
		path := filepath.Join(directory, d.uid+".json")
		if check {
			old, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if !bytes.Equal(old, content) {
				return fmt.Errorf("%s is not what the generator writes: run `go run ./observability/grafana/generate`", path)
			}
			continue
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
