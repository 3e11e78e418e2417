package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// desired is what an apply file says. Only what is named is touched; nothing is ever deleted by leaving it out.
type desired struct {
	Organisation *struct {
		DisplayName string `yaml:"displayName"`
	} `yaml:"organisation"`
	Roles []struct {
		ID          string   `yaml:"id"`
		Title       string   `yaml:"title"`
		Permissions []string `yaml:"permissions"`
	} `yaml:"roles"`
	// Clients are known by their title.
	Clients []struct {
		Title        string   `yaml:"title"`
		Kind         string   `yaml:"kind"`
		RedirectURIs []string `yaml:"redirectUris"`
		Scopes       []string `yaml:"scopes"`
	} `yaml:"clients"`
	Datasets []struct {
		ID     string         `yaml:"id"`
		Title  string         `yaml:"title"`
		Key    []string       `yaml:"key"`
		Schema map[string]any `yaml:"schema"`
	} `yaml:"datasets"`
	// Schedules are known by their id.
	Schedules []desiredSchedule `yaml:"schedules"`
	// Webhooks are known by their title.
	Webhooks []desiredWebhook `yaml:"webhooks"`
}

type desiredSchedule struct {
	ID       string         `yaml:"id"`
	Title    string         `yaml:"title"`
	Process  string         `yaml:"process"`
	Input    map[string]any `yaml:"input"`
	Cron     string         `yaml:"cron"`
	TimeZone string         `yaml:"timeZone"`
	// Overlap: SKIP (default), BUFFER_ONE, ALLOW, CANCEL_OTHER.
	Overlap string `yaml:"overlap"`
	// Catchup is a duration: "2h".
	Catchup string `yaml:"catchup"`
	// Paused is left as it is if not said.
	Paused *bool `yaml:"paused"`
}

type desiredWebhook struct {
	Title  string   `yaml:"title"`
	URL    string   `yaml:"url"`
	Events []string `yaml:"events"`
	// Enabled is left as it is if not said.
	Enabled *bool `yaml:"enabled"`
}

// readDesired reads an apply file; every fault of it is told with its line.
func readDesired(file string, stdin io.Reader) (*desired, error) {
	var raw []byte
	var err error
	if file == "-" {
		raw, err = io.ReadAll(stdin)
	} else {
		raw, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	want, err := parseDesired(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return want, nil
}

func parseDesired(raw []byte) (*desired, error) {
	var tree yaml.Node
	if err := yaml.Unmarshal(raw, &tree); err != nil {
		return nil, plainYAML(err)
	}
	if tree.IsZero() {
		return nil, errors.New("is empty; it may have organisation, roles, clients, datasets, schedules, webhooks")
	}
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	want := &desired{}
	if err := decoder.Decode(want); err != nil {
		if strings.Contains(err.Error(), "contains itself") {
			return nil, acyclic(&tree, "", nil)
		}
		return nil, plainYAML(err)
	}
	return want, errors.Join(missing(&tree, "schedules", "id", "process", "cron"), missing(&tree, "webhooks", "title", "url", "events"))
}

var (
	unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)
	wrongKind    = regexp.MustCompile("cannot unmarshal (\\S+)( `.*`)? into \\S+")
)

// plainYAML says what the parser found in words of the file, not of this program's types.
func plainYAML(err error) error {
	var many *yaml.TypeError
	if !errors.As(err, &many) {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	lines := make([]string, 0, len(many.Errors))
	for _, line := range many.Errors {
		line = unknownField.ReplaceAllString(line, `there is no field "$1" here`)
		lines = append(lines, wrongKind.ReplaceAllString(line, "a value of the kind $1$2 does not fit here"))
	}
	return errors.New(strings.Join(lines, "; "))
}

// acyclic refuses a value that contains itself by an alias: `input: &a {again: *a}`. It has no JSON.
func acyclic(node *yaml.Node, path string, above []*yaml.Node) error {
	if slices.Contains(above, node) {
		return fmt.Errorf("line %d: %s contains itself", node.Line, strings.TrimPrefix(path, "."))
	}
	above = append(above, node)
	switch node.Kind {
	case yaml.AliasNode:
		return acyclic(node.Alias, path, above)
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if err := acyclic(node.Content[i+1], path+"."+node.Content[i].Value, above); err != nil {
				return err
			}
		}
	default:
		for i, child := range node.Content {
			below := path
			if node.Kind == yaml.SequenceNode {
				below = fmt.Sprintf("%s[%d]", path, i)
			}
			if err := acyclic(child, below, above); err != nil {
				return err
			}
		}
	}
	return nil
}

// missing names every field that an item of a section must have and has not.
func missing(tree *yaml.Node, section string, fields ...string) error {
	items := value(tree.Content[0], section)
	if items == nil {
		return nil
	}
	var faults []error
	for i, item := range items.Content {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		for _, field := range fields {
			if v := value(item, field); v == nil || (v.Kind == yaml.ScalarNode && (v.Value == "" || v.Tag == "!!null")) {
				faults = append(faults, fmt.Errorf("line %d: %s[%d] has no %s", item.Line, section, i, field))
			}
		}
	}
	return errors.Join(faults...)
}

// value is what a mapping has under a key; nil if nothing.
func value(mapping *yaml.Node, key string) *yaml.Node {
	if mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}
