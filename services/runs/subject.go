package runs

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// subjectForm knows whom a text names: an address, or a user.
var subjectForm = regexp.MustCompile(`^([^@\s]+@[^@\s]+|users/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// maxSubjects bounds the people that one run is filed under; a run about more is no run about a person.
const maxSubjects = 200

// subjectsOf are the people that a run concerns, as its input (ProtoJSON), title and key name them: texts that are nothing
// but an address or a user's name. Erasure finds the run by them.
func subjectsOf(input []byte, texts ...string) []string {
	var found []string
	note := func(text string) {
		text = strings.ToLower(strings.TrimSpace(text))
		if len(text) <= 254 && len(found) < maxSubjects && subjectForm.MatchString(text) && !slices.Contains(found, text) {
			found = append(found, text)
		}
	}
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case string:
			note(value)
		case []any:
			for _, item := range value {
				walk(item)
			}
		case map[string]any:
			for _, item := range value {
				walk(item)
			}
		}
	}
	var tree any
	if json.Unmarshal(input, &tree) == nil {
		walk(tree)
	}
	for _, text := range texts {
		note(text)
	}
	return found
}
