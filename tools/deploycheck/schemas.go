package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writeSchemas turns Kubernetes' OpenAPI document, as it lies in the module k8s.io/kubernetes, into one
// strict JSON schema a kind, named as kubeconform looks for them (deployment-apps-v1.json).
func writeSchemas(args []string) error {
	flags := flag.NewFlagSet("schemas", flag.ContinueOnError)
	swagger := flags.String("swagger", "", "api/openapi-spec/swagger.json of a release")
	directory := flags.String("out", "", "where the schemas go")
	if err := flags.Parse(args); err != nil {
		return err
	}
	raw, err := os.ReadFile(*swagger)
	if err != nil {
		return err
	}
	var document struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return err
	}
	for name, definition := range document.Definitions {
		document.Definitions[name] = strict(definition).(map[string]any)
	}
	if err := os.MkdirAll(*directory, 0o755); err != nil {
		return err
	}
	written := 0
	for name, definition := range document.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		if len(kinds) != 1 {
			continue // shared by many kinds: nobody writes one down
		}
		kind := kinds[0].(map[string]any)
		if err := writeSchema(*directory, name, kind, document.Definitions); err != nil {
			return err
		}
		written++
	}
	if written < 100 {
		return fmt.Errorf("%s holds %d kinds only: not a release's document", *swagger, written)
	}
	return nil
}

// writeSchema writes a kind with the definitions that it needs and no other.
func writeSchema(directory, name string, kind map[string]any, all map[string]map[string]any) error {
	group, version, title := kind["group"].(string), kind["version"].(string), kind["kind"].(string)
	apiVersion, file := version, strings.ToLower(title)
	if group != "" {
		apiVersion = group + "/" + version
		file += "-" + strings.SplitN(group, ".", 2)[0]
	}
	needed := map[string]any{}
	collect(all[name], all, needed)
	schema := map[string]any{}
	for key, value := range all[name] {
		schema[key] = value
	}
	properties := map[string]any{}
	for key, value := range all[name]["properties"].(map[string]any) {
		properties[key] = value
	}
	properties["apiVersion"] = map[string]any{"type": "string", "enum": []string{apiVersion}}
	properties["kind"] = map[string]any{"type": "string", "enum": []string{title}}
	schema["properties"] = properties
	schema["definitions"] = needed
	content, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, file+"-"+version+".json"), content, 0o644)
}

const definition = "#/definitions/"

// collect adds what the node refers to, and what that refers to.
func collect(node any, all map[string]map[string]any, needed map[string]any) {
	switch n := node.(type) {
	case map[string]any:
		if target, ok := n["$ref"].(string); ok {
			name := strings.TrimPrefix(target, definition)
			if _, known := needed[name]; !known {
				needed[name] = all[name]
				collect(all[name], all, needed)
			}
			return
		}
		for _, child := range n {
			collect(child, all, needed)
		}
	case []any:
		for _, child := range n {
			collect(child, all, needed)
		}
	}
}

// strict forbids unknown fields and lets numbers stand where Kubernetes takes either form.
func strict(node any) any {
	switch n := node.(type) {
	case map[string]any:
		for key, child := range n {
			n[key] = strict(child)
		}
		if n["format"] == "int-or-string" {
			delete(n, "type")
			delete(n, "format")
			n["anyOf"] = []any{map[string]any{"type": "string"}, map[string]any{"type": "integer"}}
		}
		if description, ok := n["description"].(string); ok && strings.HasPrefix(description, "Quantity is a fixed-point") {
			n["type"] = []any{"string", "number"}
		}
		_, described := n["properties"].(map[string]any)
		if _, open := n["additionalProperties"]; described && n["type"] == "object" && !open && n["x-kubernetes-preserve-unknown-fields"] == nil {
			n["additionalProperties"] = false
		}
		// Draft 7 knows no other formats of numbers and strings than its own.
		delete(n, "format")
		return n
	case []any:
		for i, child := range n {
			n[i] = strict(child)
		}
		return n
	}
	return node
}
