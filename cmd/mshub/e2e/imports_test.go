package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A file replaces a dataset, its rejected row is corrected, and a retry of the run takes that row alone in.
func TestRejectsAreCorrectedAndRetried(t *testing.T) {
	t.Parallel()
	h := fresh(t)
	c := h.administrator("ada@example.com").api()
	c.must(http.MethodPost, "/v1/datasets?datasetId=planes", map[string]any{
		"title": "Planes", "key": []string{"tailnum"},
		"schema": map[string]any{"type": "object", "required": []string{"tailnum"}, "properties": map[string]any{
			"tailnum": map[string]any{"type": "string"}, "year": map[string]any{"type": "integer"},
		}},
	})
	start := func(input map[string]any) map[string]any {
		t.Helper()
		started := c.must(http.MethodPost, "/v1/runs", map[string]any{"process": "recordimport", "input": input})
		return c.ends(fmt.Sprint(started["name"]), time.Minute)
	}
	count := func() string {
		return fmt.Sprint(c.must(http.MethodGet, "/v1/datasets/planes/records:count", nil)["count"])
	}
	first := start(map[string]any{"file": c.upload("old.csv", strings.NewReader("tailnum,year\nOLD,1999\n")), "dataset": "datasets/planes"})
	if first["state"] != "COMPLETED" || count() != "1" {
		t.Fatalf("%v", first)
	}
	file := c.upload("planes.ndjson", strings.NewReader("{\"tailnum\":\"N1\",\"year\":2001}\n{\"tailnum\":\"N2\",\"year\":\"soon\"}\n"))
	stopped := start(map[string]any{"file": file, "dataset": "datasets/planes", "mode": "UPSERT", "format": map[string]any{"nullTokens": []string{"-"}}})
	if stopped["state"] != "COMPLETED" || count() != "2" {
		t.Fatalf("%v", stopped)
	}
	replaced := start(map[string]any{"file": file, "dataset": "datasets/planes", "mode": "REPLACE"})
	result, _ := replaced["result"].(map[string]any)
	if replaced["state"] != "COMPLETED" || count() != "1" || fmt.Sprint(result["deleted"]) != "2" || fmt.Sprint(result["rejected"]) != "1" {
		t.Fatalf("%v", replaced)
	}
	run := fmt.Sprint(replaced["name"])
	list := c.must(http.MethodGet, "/v1/imports/"+strings.TrimPrefix(run, "runs/")+"/rejects", nil)
	rejects, _ := list["rejects"].([]any)
	if len(rejects) != 1 {
		t.Fatalf("%v", list)
	}
	name := fmt.Sprint(rejects[0].(map[string]any)["name"])
	c.must(http.MethodPatch, "/v1/"+name, map[string]any{"cells": map[string]any{"year": "2002"}})
	again := c.must(http.MethodPost, "/v1/"+run+":retry", map[string]any{"reason": "corrected"})
	end := c.ends(fmt.Sprint(again["name"]), time.Minute)
	result, _ = end["result"].(map[string]any)
	if end["state"] != "COMPLETED" || count() != "2" || fmt.Sprint(result["inserted"]) != "1" {
		t.Fatalf("%v", end)
	}
	undone := start(map[string]any{
		"file": c.upload("bad.csv", strings.NewReader("tailnum,year\nN1,1\nN3,3\nN4,x\nN5,y\n")), "dataset": "datasets/planes", "maxRejects": 1,
	})
	if undone["state"] != "FAILED" || !strings.Contains(fmt.Sprint(undone["error"]), "TOO_MANY_REJECTS") || count() != "2" {
		t.Errorf("%v", undone)
	}
}
