package main

import "strings"

// dashboard is what the checks read of Grafana's model.
type dashboard struct {
	UID    string  `json:"uid"`
	Title  string  `json:"title"`
	Panels []panel `json:"panels"`
}

type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Source      source `json:"datasource"`
	Position    place  `json:"gridPos"`
	Targets     []struct {
		Expr       string `json:"expr"`
		Datasource source `json:"datasource"`
	} `json:"targets"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type place struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

// checkDashboards: Grafana itself is not run here, so the rules of its dashboard linter stand in.
func checkDashboards([]string) error {
	paths, err := glob("observability/grafana/dashboards/*.json")
	if err != nil {
		return err
	}
	var found faults
	uids := map[string]string{}
	for _, path := range paths {
		page, err := readDashboard(path)
		if err != nil {
			found.add("%s: %v", path, err)
			continue
		}
		if other := uids[page.UID]; other != "" || page.UID == "" || page.Title == "" {
			found.add("%s: needs a title and a uid that %s has not", path, other)
		}
		uids[page.UID] = path
		ids := map[int]bool{}
		for i, p := range page.Panels {
			where := path + ": " + p.Title
			if ids[p.ID] || p.Title == "" {
				found.add("%s: panel %d needs a title and an id of its own", path, p.ID)
			}
			ids[p.ID] = true
			if p.Position.X+p.Position.W > 24 || p.Position.W == 0 || p.Position.H == 0 {
				found.add("%s: lies outside the page", where)
			}
			for _, other := range page.Panels[:i] {
				if overlap(p.Position, other.Position) {
					found.add("%s: lies over %s", where, other.Title)
				}
			}
			if p.Type != "row" {
				checkPanel(&found, where, p)
			}
		}
	}
	return found.report()
}

func checkPanel(found *faults, where string, p panel) {
	if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
		found.add("%s: needs a description, a unit and a query", where)
	}
	if !strings.HasPrefix(p.Source.UID, "${") {
		found.add("%s: its data source must be a variable", where)
	}
	for _, target := range p.Targets {
		if target.Datasource != p.Source {
			found.add("%s: a query reads another data source than its panel", where)
		}
		if target.Datasource.Type != "prometheus" {
			continue
		}
		if !strings.Contains(target.Expr, `job="mshub"`) {
			found.add("%s: the query does not say job=\"mshub\"", where)
		}
		if strings.Count(target.Expr, "rate(") != strings.Count(target.Expr, "[$__rate_interval]") {
			found.add("%s: a rate needs [$__rate_interval]", where)
		}
	}
}

func overlap(a, b place) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}
