package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
)

// pipeline is what the Jenkinsfile must be: its stages in order, each with its one make target.
var pipeline = []struct{ stage, target string }{
	{"Lint", "lint"}, {"Test", "test"}, {"Verify", "verify"}, {"Build", "build"}, {"Image", "image"},
	{"Push", "push"}, {"Deploy staging", "deploy-staging"}, {"Deploy prod", "deploy-prod"},
}

var (
	stageLine = regexp.MustCompile(`^    stage\('([^']+)'\) \{$`)
	shellStep = regexp.MustCompile(`^\s*sh (.+)$`)
	makeStep  = regexp.MustCompile(`^'make ([a-z-]+)'$`)
)

// checkJenkinsfile holds the pipeline against the house's rules. It is no parser of Groovy: it relies on
// the layout that npm-groovy-lint enforces.
func checkJenkinsfile([]string) error {
	const file = "Jenkinsfile"
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		return err
	}
	var found faults
	stages := parseStages(string(raw), &found)
	for i, want := range pipeline {
		if i >= len(stages) || stages[i].name != want.stage {
			found.add("%s: stage %d must be %q", file, i+1, want.stage)
			break
		}
		s := stages[i]
		if len(s.targets) == 0 || s.targets[0] != want.target {
			found.add("%s: stage %s must run make %s", file, s.name, want.target)
		}
		leaves := i > slices.IndexFunc(pipeline, func(p struct{ stage, target string }) bool { return p.stage == "Image" })
		if leaves != strings.Contains(s.body, "when {") {
			found.add("%s: stage %s: only what leaves the house has a `when`, and it must", file, s.name)
		}
		if rest, deploys := strings.CutPrefix(want.target, "deploy-"); deploys && !slices.Contains(s.targets, "rollback-"+rest) {
			found.add("%s: stage %s must roll back when it fails", file, s.name)
		}
	}
	if len(stages) != len(pipeline) {
		found.add("%s has %d stages, not %d", file, len(stages), len(pipeline))
	}
	if last := stages[len(stages)-1]; !strings.Contains(last.body, "input {") || !strings.Contains(last.body, "beforeInput true") || strings.Contains(last.body, "branch 'main'") {
		found.add("%s: production wants a tag and a person's consent, asked only after the tag was seen", file)
	}
	for _, s := range stages {
		for _, target := range s.targets {
			if !regexp.MustCompile(`(?m)^` + target + `:`).Match(makefile) {
				found.add("%s: stage %s: there is no make target %s", file, s.name, target)
			}
		}
	}
	if !strings.Contains(string(raw), "timeout(time:") {
		found.add("%s needs a timeout", file)
	}
	return found.report()
}

type stage struct {
	name, body string
	targets    []string
}

func parseStages(text string, found *faults) []stage {
	var stages []stage
	for _, line := range strings.Split(text, "\n") {
		if m := stageLine.FindStringSubmatch(line); m != nil {
			stages = append(stages, stage{name: m[1]})
			continue
		}
		if len(stages) == 0 {
			continue
		}
		current := &stages[len(stages)-1]
		current.body += line + "\n"
		if m := shellStep.FindStringSubmatch(line); m != nil {
			target := makeStep.FindStringSubmatch(m[1])
			if target == nil {
				found.add("Jenkinsfile: stage %s: `sh %s` is not 'make TARGET'; the work belongs in the Makefile", current.name, m[1])
				continue
			}
			current.targets = append(current.targets, target[1])
		}
	}
	return stages
}
