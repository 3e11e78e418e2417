package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

const contract = "observability/metrics.txt"

// expression is a query and where it stands.
type expression struct{ where, text string }

// checkMetrics parses every query and holds its metric names against the contract.
func checkMetrics([]string) error {
	known, err := readContract()
	if err != nil {
		return err
	}
	var found faults
	all, err := ruleExpressions(known)
	if err != nil {
		return err
	}
	panels, err := dashboardExpressions()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	promql := parser.NewParser(parser.Options{})
	for _, e := range append(all, panels...) {
		tree, err := promql.ParseExpr(e.text)
		if err != nil {
			found.add("%s: %v: %s", e.where, err, e.text)
			continue
		}
		parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
			selector, ok := node.(*parser.VectorSelector)
			if !ok {
				return nil
			}
			name := metricName(selector)
			if name == "" {
				found.add("%s: a selector without a metric name reads everything: %s", e.where, e.text)
			} else if !known[name] {
				found.add("%s: metric %s is not in %s", e.where, name, contract)
			}
			used[name] = true
			return nil
		})
	}
	return found.report()
}

func metricName(s *parser.VectorSelector) string {
	if s.Name != "" {
		return s.Name
	}
	for _, m := range s.LabelMatchers {
		if m.Name == labels.MetricName && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}

// readContract returns the series names that the contract allows.
func readContract() (map[string]bool, error) {
	file, err := os.Open(contract)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	known := map[string]bool{}
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		fields := strings.Fields(scanner.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 3 || !slices.Contains([]string{"counter", "gauge", "histogram"}, fields[1]) {
			return nil, fmt.Errorf("%s: %q is not `name type maker`", contract, scanner.Text())
		}
		if known[fields[0]] {
			return nil, fmt.Errorf("%s names %s twice", contract, fields[0])
		}
		known[fields[0]] = true
		if fields[1] == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				known[fields[0]+suffix] = true
			}
		}
	}
	return known, scanner.Err()
}

// ruleExpressions also adds the names that recording rules make to known.
func ruleExpressions(known map[string]bool) ([]expression, error) {
	rules, err := readRules()
	if err != nil {
		return nil, err
	}
	var all []expression
	for _, r := range rules {
		name := r.Alert
		if r.Record != "" {
			name = r.Record
			known[r.Record] = true
		}
		all = append(all, expression{r.file + ": " + name, r.Expr})
	}
	return all, nil
}

// dashboardExpressions replaces Grafana's variables by values that parse alike.
func dashboardExpressions() ([]expression, error) {
	paths, err := glob("observability/grafana/dashboards/*.json")
	if err != nil {
		return nil, err
	}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$service", ".*")
	var all []expression
	for _, path := range paths {
		page, err := readDashboard(path)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Panels {
			for _, target := range p.Targets {
				if target.Datasource.Type == "prometheus" {
					all = append(all, expression{path + ": " + p.Title, variables.Replace(target.Expr)})
				}
			}
		}
	}
	return all, nil
}

func readDashboard(path string) (page dashboard, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return page, err
	}
	return page, json.Unmarshal(raw, &page)
}
