package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/microservicehub/mshub/gateway"
	"github.com/microservicehub/mshub/internal/auth"
)

// document is the part of /openapi.json that these tests look at.
type document struct {
	OpenAPI string `json:"openapi"`
	Servers []struct {
		URL string `json:"url"`
	} `json:"servers"`
	Paths map[string]map[string]struct {
		OperationID string                `json:"operationId"`
		Summary     string                `json:"summary"`
		Description string                `json:"description"`
		Security    []map[string][]string `json:"security"`
		Responses   map[string]any        `json:"responses"`
		Permission  string                `json:"x-permission"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]any `json:"schemas"`
	} `json:"components"`
}

func openAPI(t *testing.T) (document, string) {
	t.Helper()
	described, err := gateway.Describe("https://hub.example.org/")
	if err != nil {
		t.Fatal(err)
	}
	handler, err := described.Serve()
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	var d document
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	return d, w.Body.String()
}

// The description is made from the same options as the routes, but by another program: compare.
func TestDescriptionCoversEveryRoute(t *testing.T) {
	t.Parallel()
	d, text := openAPI(t)
	operations := 0
	for _, item := range d.Paths {
		operations += len(item)
	}
	routes := 0
	for _, method := range methods() {
		verb, path := routeOf(method)
		if path == "" {
			continue
		}
		routes++
		operation, ok := d.Paths[describedPath(path)][strings.ToLower(verb)]
		if !ok {
			t.Errorf("%s %s is not described (looked for %s)", verb, path, describedPath(path))
			continue
		}
		if !strings.HasSuffix(operation.OperationID, "_"+string(method.Name())) {
			t.Errorf("%s %s is described as %s", verb, path, operation.OperationID)
		}
		rule := auth.RuleOf(method)
		if operation.Permission != rule.GetPermission() {
			t.Errorf("%s: permission %q, the rule says %q", method.FullName(), operation.Permission, rule.GetPermission())
		}
		if len(operation.Security) != 1 && !rule.GetPublic() {
			t.Errorf("%s: security %v", method.FullName(), operation.Security)
		}
		if operation.Responses["default"] == nil {
			t.Errorf("%s: no description of errors", method.FullName())
		}
	}
	if operations != routes+2 { // the upload in one call, the live feed
		t.Errorf("%d operations described for %d routes", operations, routes)
	}
	if d.OpenAPI != "3.0.3" || len(d.Servers) != 1 || d.Servers[0].URL != "https://hub.example.org" || strings.Contains(text, "PUBLIC_URL") {
		t.Errorf("%s, servers %v", d.OpenAPI, d.Servers)
	}
}

// Who reads only the reference knows what each operation does: its description is the comment above the rpc.
func TestEveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	d, _ := openAPI(t)
	for path, item := range d.Paths {
		for verb, operation := range item {
			if operation.Summary == "" || operation.Description == "" {
				t.Errorf("%s %s: %s has no description; write a comment above its rpc", strings.ToUpper(verb), path, operation.OperationID)
			}
		}
	}
}

func TestReferencesResolve(t *testing.T) {
	t.Parallel()
	d, text := openAPI(t)
	for _, ref := range regexp.MustCompile(`"#/components/schemas/([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if d.Components.Schemas[ref[1]] == nil {
			t.Errorf("%s does not exist", ref[1])
		}
	}
}

// describedPath is how OpenAPI spells a template: "/v1/{client.name=clients/*}" is /v1/clients/{client}.
func describedPath(template string) string {
	variable := regexp.MustCompile(`\{[^=}]+=([^}]+)\}`)
	segment := regexp.MustCompile(`([a-zA-Z]+)/\*`)
	return variable.ReplaceAllStringFunc(template, func(v string) string {
		return segment.ReplaceAllStringFunc(variable.FindStringSubmatch(v)[1], func(s string) string {
			plural := segment.FindStringSubmatch(s)[1]
			singular := strings.TrimSuffix(plural, "s")
			if strings.HasSuffix(plural, "sses") {
				singular = strings.TrimSuffix(plural, "es")
			}
			if stem, ok := strings.CutSuffix(plural, "ies"); ok {
				singular = stem + "y"
			}
			return plural + "/{" + singular + "}"
		})
	})
}
