package gateway

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
)

var (
	//go:embed docs.html
	docsTemplate string
	//go:embed docs.css
	docsStyle string
	//go:embed docs.js
	docsScript string
)

// Reference serves the description as a page for people: drawn once, self-contained, readable without JavaScript (which
// only searches and copies), and with nothing from another address.
func (d Document) Reference() (http.Handler, error) {
	page, err := template.New("docs").Funcs(template.FuncMap{"rich": rich}).Parse(docsTemplate)
	if err != nil {
		return nil, err
	}
	servers, _ := d["servers"].([]any)
	server, _ := servers[0].(Document)
	url, _ := server["url"].(string)
	info := d.at("info")
	var out bytes.Buffer
	err = page.Execute(&out, map[string]any{
		"Title": info["title"], "Description": info["description"], "URL": url,
		"Style": template.CSS(docsStyle), "Script": template.JS(docsScript), //nolint:gosec // our own files
		"Rooms": d.rooms(url), "Scopes": d.scopeTable(),
	})
	if err != nil {
		return nil, err
	}
	policy := fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		hash(docsStyle), hash(docsScript))
	return static("text/html; charset=utf-8", out.Bytes(), http.Header{
		"Content-Security-Policy": {policy}, "Referrer-Policy": {"no-referrer"},
	}), nil
}

// rich shows what stands between backticks as code.
func rich(text any) template.HTML {
	var out strings.Builder
	for i, part := range strings.Split(fmt.Sprint(text), "`") {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		out.WriteString(part)
	}
	return template.HTML(out.String()) //nolint:gosec // escaped above
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// room is one service's part of the page.
type room struct {
	Name, Anchor, Description string
	Operations                []shownOperation
}

type shownOperation struct {
	Anchor, Verb, Path, Summary, Description string
	Scope, Permission                        string
	Public                                   bool
	Parameters                               []shownField
	Body, Answer                             []shownField
	BodyType, AnswerType                     string
	Curl                                     string
}

// shownField is a parameter or a field; Fields are those of an object within.
type shownField struct {
	Name, In, Type, Description string
	Required                    bool
	Enum                        []string
	Fields                      []shownField
}

type scopeRow struct{ Name, Description string }

func (d Document) scopeTable() []scopeRow {
	scopes := d.at("components", "securitySchemes", "oauth2", "flows", "clientCredentials", "scopes")
	if scopes == nil {
		plain, _ := d.at("components", "securitySchemes", "oauth2", "flows", "clientCredentials")["scopes"].(map[string]any)
		scopes = plain
	}
	rows := make([]scopeRow, 0, len(scopes))
	for _, name := range slices.Sorted(maps.Keys(scopes)) {
		rows = append(rows, scopeRow{name, fmt.Sprint(scopes[name])})
	}
	return rows
}

// rooms groups the operations by service, in alphabetical order.
func (d Document) rooms(url string) []room {
	descriptions := map[string]string{}
	tags, _ := d["tags"].([]any)
	for _, one := range tags {
		tag, _ := one.(Document)
		name, _ := tag["name"].(string)
		descriptions[name], _ = tag["description"].(string)
	}
	byName := map[string]*room{}
	for _, o := range d.operations() {
		names, _ := o.node["tags"].([]any)
		name, _ := names[0].(string)
		title := strings.TrimSuffix(name, "Service")
		r := byName[title]
		if r == nil {
			// A comment in a door begins with the service's own name; here that is the heading.
			description := strings.TrimSpace(strings.TrimPrefix(descriptions[name], name))
			if description != "" {
				description = strings.ToUpper(description[:1]) + description[1:]
			}
			r = &room{Name: title, Anchor: strings.ToLower(title), Description: description}
			byName[title] = r
		}
		r.Operations = append(r.Operations, d.show(o, url))
	}
	list := make([]room, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, *byName[name])
	}
	return list
}

func (d Document) show(o operation, url string) shownOperation {
	text := func(key string) string { s, _ := o.node[key].(string); return s }
	shown := shownOperation{
		Anchor: o.id, Verb: o.verb, Path: o.path, Summary: text("summary"), Description: text("description"),
		Scope: o.scope(), Permission: text("x-permission"),
	}
	security, _ := o.node["security"].([]any)
	shown.Public = len(security) == 0
	parameters, _ := o.node["parameters"].([]any)
	for _, one := range parameters {
		p, _ := one.(Document)
		p = d.resolve(p)
		field := d.field(fmt.Sprint(p["name"]), p["schema"], 1)
		field.In, _ = p["in"].(string)
		field.Required, _ = p["required"].(bool)
		if description, ok := p["description"].(string); ok {
			field.Description = description
		}
		shown.Parameters = append(shown.Parameters, field)
	}
	var example any
	if content := o.node.at("requestBody", "content"); content != nil {
		contentType := slices.Sorted(maps.Keys(content))[0]
		schema := content.at(contentType, "schema")
		shown.BodyType, shown.Body = contentType, d.fields(schema, 0)
		if contentType == "application/json" {
			example = d.example(schema, 0)
		}
	}
	if content := o.node.at("responses", "200", "content"); content != nil {
		contentType := slices.Sorted(maps.Keys(content))[0]
		shown.AnswerType, shown.Answer = contentType, d.fields(content.at(contentType, "schema"), 0)
	}
	shown.Curl = curl(shown, url, example)
	return shown
}

// deepest is how many objects within each other the page opens.
const deepest = 3

// resolve follows a reference, also one dressed in allOf to carry a description of its own.
func (d Document) resolve(schema Document) Document {
	if all, ok := schema["allOf"].([]any); ok && len(all) == 1 {
		only, _ := all[0].(Document)
		inner := maps.Clone(d.resolve(only))
		if description, ok := schema["description"]; ok {
			inner["description"] = description
		}
		return inner
	}
	ref, ok := schema["$ref"].(string)
	if !ok {
		return schema
	}
	return d.resolve(d.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...))
}

// fields are those of an object or of a list's objects.
func (d Document) fields(schema Document, depth int) []shownField {
	schema = d.resolve(schema)
	if items, ok := schema["items"].(Document); ok {
		schema = d.resolve(items)
	}
	properties := schema.at("properties")
	if properties == nil || depth >= deepest {
		return nil
	}
	var fields []shownField
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		fields = append(fields, d.field(name, properties[name], depth+1))
	}
	return fields
}

func (d Document) field(name string, raw any, depth int) shownField {
	schema, _ := raw.(Document)
	schema = d.resolve(schema)
	field := shownField{Name: name, Type: d.typeOf(schema), Fields: d.fields(schema, depth)}
	field.Description, _ = schema["description"].(string)
	if items, ok := schema["items"].(Document); ok {
		schema = d.resolve(items)
	}
	values, _ := schema["enum"].([]any)
	for _, value := range values {
		if text := fmt.Sprint(value); !strings.HasSuffix(text, "_UNSPECIFIED") {
			field.Enum = append(field.Enum, text)
		}
	}
	return field
}

func (d Document) typeOf(schema Document) string {
	kind, _ := schema["type"].(string)
	format, _ := schema["format"].(string)
	switch {
	case kind == "array":
		items, _ := schema["items"].(Document)
		return "list of " + d.typeOf(d.resolve(items))
	case format == "date-time":
		return "time"
	case format == "enum", schema["enum"] != nil:
		return "one of"
	case kind == "":
		return "any"
	}
	return kind
}

// example is a value of the schema for people to change.
func (d Document) example(schema Document, depth int) any {
	schema = d.resolve(schema)
	switch kind, _ := schema["type"].(string); {
	case schema["enum"] != nil:
		values := d.field("", schema, deepest).Enum
		return values[0]
	case kind == "object":
		object := map[string]any{}
		if depth < 2 {
			properties := schema.at("properties")
			for name := range properties {
				if name != "name" && !strings.HasSuffix(name, "Time") {
					object[name] = d.example(properties.at(name), depth+1)
				}
			}
		}
		return object
	case kind == "array":
		items, _ := schema["items"].(Document)
		return []any{d.example(items, depth+1)}
	case kind == "boolean":
		return true
	case kind == "integer", kind == "number":
		return 1
	case schema["format"] == "date-time":
		return "2026-01-31T12:00:00Z"
	}
	return "…"
}

// curl spells a call as people type it.
func curl(o shownOperation, url string, body any) string {
	var out strings.Builder
	out.WriteString("curl")
	if o.Verb != http.MethodGet && (o.Verb != http.MethodPost || o.BodyType == "") {
		out.WriteString(" -X " + o.Verb)
	}
	address, query := url+o.Path, ""
	for _, p := range o.Parameters {
		if p.In == "query" && p.Required {
			query = "?" + p.Name + "=…"
		}
	}
	fmt.Fprintf(&out, " '%s%s'", address, query)
	if !o.Public {
		out.WriteString(" \\\n  -H \"Authorization: Bearer $TOKEN\"")
	}
	switch {
	case o.BodyType == "application/octet-stream":
		out.WriteString(" \\\n  --data-binary @FILE")
	case o.BodyType != "":
		raw, err := json.MarshalIndent(body, "  ", "  ")
		if err == nil {
			fmt.Fprintf(&out, " \\\n  -H 'Content-Type: application/json' \\\n  -d '%s'", raw)
		}
	}
	return out.String()
}
