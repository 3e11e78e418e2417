package main

// The data sources are variables, so that a dashboard fits any Grafana.
const (
	prometheusSource = "${prometheus}"
	lokiSource       = "${loki}"
)

// dashboard is one page: rows of panels, laid out in reading order.
type dashboard struct {
	uid, title, description string
	rows                    []row
}

// row is a titled band of panels.
type row struct {
	title  string
	panels []panel
}

// panel is one figure. All fields but the thresholds are needed; width is in 24ths of the page.
type panel struct {
	title, description string
	unit               unit
	width              int
	kind               kind
	queries            []query
	// warn and bad colour a stat; 0 means no threshold.
	warn, bad float64
}

type kind string

const (
	graph kind = "timeseries"
	stat  kind = "stat"
	lines kind = "logs"
)

// unit is Grafana's name of a unit.
type unit string

const (
	perSecond unit = "ops"
	seconds   unit = "s"
	ratio     unit = "percentunit"
	bytesSI   unit = "bytes"
	count     unit = "short"
	none      unit = "none"
)

// query is an expression and how its series are named.
type query struct{ expr, legend string }

const panelHeight = 8

func (d dashboard) model() map[string]any {
	var panels []map[string]any
	id, y := 1, 0
	for _, r := range d.rows {
		panels = append(panels, map[string]any{
			"id": id, "type": "row", "title": r.title, "collapsed": false, "panels": []any{},
			"gridPos": position(0, y, 24, 1),
		})
		id, y = id+1, y+1
		x := 0
		for _, p := range r.panels {
			if x+p.width > 24 {
				x, y = 0, y+panelHeight
			}
			panels = append(panels, p.model(id, position(x, y, p.width, panelHeight)))
			id, x = id+1, x+p.width
		}
		y += panelHeight
	}
	return map[string]any{
		"uid": d.uid, "title": d.title, "description": d.description,
		"tags": []string{"mshub"}, "schemaVersion": 39, "version": 1, "editable": false, "graphTooltip": 1,
		"refresh": "30s", "timezone": "browser",
		"time":       map[string]any{"from": "now-6h", "to": "now"},
		"templating": map[string]any{"list": variables()},
		"panels":     panels,
	}
}

func (p panel) model(id int, at map[string]any) map[string]any {
	source := map[string]any{"type": "prometheus", "uid": prometheusSource}
	if p.kind == lines {
		source = map[string]any{"type": "loki", "uid": lokiSource}
	}
	var targets []map[string]any
	for i, q := range p.queries {
		target := map[string]any{
			"refId": string(rune('A' + i)), "datasource": source, "expr": q.expr, "legendFormat": q.legend,
		}
		if p.kind == graph {
			target["exemplar"] = true
		}
		targets = append(targets, target)
	}
	steps := []map[string]any{{"color": "green", "value": nil}}
	if p.warn != 0 {
		steps = append(steps, map[string]any{"color": "orange", "value": p.warn})
	}
	if p.bad != 0 {
		steps = append(steps, map[string]any{"color": "red", "value": p.bad})
	}
	return map[string]any{
		"id": id, "type": string(p.kind), "title": p.title, "description": p.description,
		"gridPos": at, "datasource": source, "targets": targets,
		"fieldConfig": map[string]any{
			"defaults": map[string]any{
				"unit": string(p.unit), "min": 0,
				"thresholds": map[string]any{"mode": "absolute", "steps": steps},
			},
			"overrides": []any{},
		},
	}
}

func position(x, y, w, h int) map[string]any { return map[string]any{"x": x, "y": y, "w": w, "h": h} }

func variables() []map[string]any {
	source := func(name string) map[string]any {
		return map[string]any{"name": name, "label": name, "type": "datasource", "query": name, "hide": 0, "refresh": 1}
	}
	return []map[string]any{
		source("prometheus"),
		source("loki"),
		{
			"name": "service", "label": "service", "type": "query", "hide": 0, "refresh": 2,
			"datasource": map[string]any{"type": "prometheus", "uid": prometheusSource},
			"query":      "label_values(rpc_server_handled_total, service)",
			"includeAll": true, "multi": true, "allValue": ".*",
			"current": map[string]any{"text": "All", "value": "$__all"},
		},
	}
}
