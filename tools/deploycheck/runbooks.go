package main

import (
	"os"
	"path/filepath"
	"strings"
)

const runbookURL = "https://github.com/microservicehub/mshub/blob/main/"

// rule is one entry of a Prometheus rule file.
type rule struct {
	file        string
	Alert       string            `yaml:"alert"`
	Record      string            `yaml:"record"`
	Expr        string            `yaml:"expr"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readRules() ([]rule, error) {
	paths, err := glob("observability/prometheus/rules/*.yml")
	if err != nil {
		return nil, err
	}
	var all []rule
	for _, path := range paths {
		var file struct {
			Groups []struct {
				Rules []rule `yaml:"rules"`
			} `yaml:"groups"`
		}
		if err := readYAML(path, &file); err != nil {
			return nil, err
		}
		for _, group := range file.Groups {
			for _, r := range group.Rules {
				r.file = path
				all = append(all, r)
			}
		}
	}
	return all, nil
}

// checkRunbooks walks from alerts to pages and back, and to promtool's tests: each alert fires in one and
// is silent in one.
func checkRunbooks([]string) error {
	rules, err := readRules()
	if err != nil {
		return err
	}
	fires, silent, err := testedAlerts()
	if err != nil {
		return err
	}
	var found faults
	pages := map[string]bool{}
	for _, r := range rules {
		if r.Alert == "" {
			continue
		}
		page := "observability/runbooks/" + r.Alert + ".md"
		pages[page] = true
		if severity := r.Labels["severity"]; severity != "page" && severity != "ticket" {
			found.add("%s: %s: severity is %q, not page or ticket", r.file, r.Alert, severity)
		}
		if r.Annotations["summary"] == "" {
			found.add("%s: %s needs a summary", r.file, r.Alert)
		}
		if r.Annotations["runbook_url"] != runbookURL+page {
			found.add("%s: %s: runbook_url must be %s", r.file, r.Alert, runbookURL+page)
		}
		if content, err := os.ReadFile(page); err != nil {
			found.add("%s: %s: %v", r.file, r.Alert, err)
		} else if !strings.Contains(string(content), "## Look") || !strings.Contains(string(content), "## Do") {
			found.add("%s needs the parts Look and Do", page)
		}
		if !fires[r.Alert] || !silent[r.Alert] {
			found.add("%s: %s: observability/prometheus/tests must show it once firing and once silent", r.file, r.Alert)
		}
	}
	written, err := glob("observability/runbooks/*.md")
	if err != nil {
		return err
	}
	for _, page := range written {
		if !pages[filepath.ToSlash(page)] {
			found.add("%s: there is no such alert", page)
		}
	}
	return found.report()
}

// testedAlerts returns what the tests expect to fire somewhere and to stay silent somewhere.
func testedAlerts() (fires, silent map[string]bool, err error) {
	paths, err := glob("observability/prometheus/tests/*.yml")
	if err != nil {
		return nil, nil, err
	}
	fires, silent = map[string]bool{}, map[string]bool{}
	for _, path := range paths {
		var file struct {
			Tests []struct {
				Alerts []struct {
					Name     string `yaml:"alertname"`
					Expected []any  `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			} `yaml:"tests"`
		}
		if err := readYAML(path, &file); err != nil {
			return nil, nil, err
		}
		for _, test := range file.Tests {
			for _, alert := range test.Alerts {
				if len(alert.Expected) > 0 {
					fires[alert.Name] = true
				} else {
					silent[alert.Name] = true
				}
			}
		}
	}
	return fires, silent, nil
}
