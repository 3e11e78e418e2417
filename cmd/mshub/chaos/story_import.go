package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

func (s *stage) tellImport(ctx context.Context, st *story, random *rand.Rand) error {
	st.rows = 500 + random.IntN(30_000)
	content, rejects := table(random, st.rows)
	st.rejects = rejects
	st.mode = []string{"INSERT", "UPSERT", "REPLACE"}[random.IntN(3)]
	if err := s.dataset(ctx, st); err != nil {
		return err
	}
	if err := s.load(ctx, st, random, content); err != nil {
		return err
	}
	switch st.kind {
	case importPaused:
		paused, err := s.command(ctx, st, "pause", nil)
		if err != nil {
			return err
		}
		wait(ctx, time.Duration(random.IntN(3000))*time.Millisecond)
		if !paused {
			run, err := s.api.do(ctx, http.MethodGet, "/v1/"+st.run, "", nil)
			if err != nil {
				return err
			}
			paused = text(run["state"]) == "PAUSED"
		}
		if paused {
			if _, err := s.command(ctx, st, "resume", nil); err != nil {
				return err
			}
		}
	case importCancel:
		if err := s.cancelImport(ctx, st, random); err != nil {
			return err
		}
	}
	if err := s.end(ctx, st); err != nil || st.kind != importing || st.state != "COMPLETED" || random.IntN(3) > 0 {
		return err
	}
	return s.tellExport(ctx, st)
}

// dataset makes the story's.
func (s *stage) dataset(ctx context.Context, st *story) error {
	name := fmt.Sprintf("chaos-%d", st.number)
	st.dataset = "datasets/" + name
	_, err := s.api.do(ctx, http.MethodPost, "/v1/datasets?datasetId="+name, st.key+"-dataset", map[string]any{
		"title": name, "key": []string{"id"},
		"schema": map[string]any{"type": "object", "required": []string{"id"}, "properties": map[string]any{
			"id": map[string]any{"type": "integer"}, "name": map[string]any{"type": "string"}, "amount": map[string]any{"type": "number"},
		}},
	})
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	return nil
}

// load starts the import of a file into the story's dataset.
func (s *stage) load(ctx context.Context, st *story, random *rand.Rand, content []byte) error {
	file, err := s.upload.upload(ctx, st.key+".csv", content)
	if err != nil {
		return err
	}
	return s.start(ctx, st, random, "recordimport", map[string]any{"file": file, "dataset": st.dataset, "mode": st.mode})
}

// cancelImport cancels somewhere on the way; what was written is undone or kept.
func (s *stage) cancelImport(ctx context.Context, st *story, random *rand.Rand) error {
	st.keep = random.IntN(2) == 0
	wait(ctx, time.Duration(random.IntN(2000))*time.Millisecond)
	_, err := s.command(ctx, st, "cancel", map[string]any{"keep": st.keep})
	return err
}

// tellExport has what was imported written into a file again.
func (s *stage) tellExport(ctx context.Context, st *story) error {
	started, err := s.api.do(ctx, http.MethodPost, "/v1/runs", st.key+"-export", map[string]any{"process": "recordexport", "input": map[string]any{"dataset": st.dataset}})
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	st.export = text(started["name"])
	for {
		run, err := s.api.do(ctx, http.MethodGet, "/v1/"+st.export, "", nil)
		if err != nil {
			return fmt.Errorf("export: %w", err)
		}
		switch state := text(run["state"]); {
		case state == "COMPLETED":
			result, _ := run["result"].(map[string]any)
			st.exported = text(result["rows"])
			return nil
		case slices.Contains(ends, state):
			return fmt.Errorf("export %s ended %s: %v", st.export, state, run["error"])
		}
		wait(ctx, pollInterval)
	}
}

// table is a CSV file with some rows that do not fit: no number, no key, a key that was there before.
func table(random *rand.Rand, rows int) (content []byte, rejects int) {
	var b bytes.Buffer
	b.WriteString("id,name,amount\n")
	for row := 1; row <= rows; row++ {
		switch random.IntN(500) {
		case 0:
			fmt.Fprintf(&b, "%d,no number,much\n", row)
			rejects++
		case 1:
			fmt.Fprintf(&b, ",no key,%d\n", row)
			rejects++
		case 2:
			fmt.Fprintf(&b, "%d,\"a quoted\nnewline, and a comma\",0.5\n", row)
		default:
			fmt.Fprintf(&b, "%d,name %d,%d.25\n", row, row, row%1000)
		}
	}
	return b.Bytes(), rejects
}
