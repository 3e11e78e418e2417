package notify

import (
	"embed"
	"fmt"
	html "html/template"
	"io/fs"
	"slices"
	"strings"
	text "text/template"
	"text/template/parse"
	"unicode"

	"github.com/microservicehub/mshub/internal/rpc"
)

//go:embed templates
var templateFiles embed.FS

// mailTemplate is one folder of templates/.
type mailTemplate struct {
	subject, body *text.Template
	html          *html.Template
	// needs names the values, sorted: everything that one of the three mentions.
	needs []string
}

// rendered is a mail's content.
type rendered struct{ subject, text, html string }

// loadTemplates parses all folders. In a template, .name is a value and {{url "/inbox"}} an address below publicURL.
func loadTemplates(publicURL string) (map[string]*mailTemplate, error) {
	functions := map[string]any{"url": func(path string) string { return publicURL + path }}
	folders, err := fs.ReadDir(templateFiles, "templates")
	if err != nil {
		return nil, err
	}
	all := map[string]*mailTemplate{}
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		t, err := loadTemplate("templates/"+folder.Name(), functions)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", folder.Name(), err)
		}
		all[folder.Name()] = t
	}
	return all, nil
}

func loadTemplate(folder string, functions map[string]any) (*mailTemplate, error) {
	t := &mailTemplate{}
	var err error
	if t.subject, err = text.New("subject.txt").Funcs(functions).ParseFS(templateFiles, folder+"/subject.txt"); err != nil {
		return nil, err
	}
	if t.body, err = text.New("body.txt").Funcs(functions).ParseFS(templateFiles, folder+"/body.txt"); err != nil {
		return nil, err
	}
	if t.html, err = html.New("layout.html").Funcs(functions).ParseFS(templateFiles, "templates/layout.html"); err != nil {
		return nil, err
	}
	body, err := fs.ReadFile(templateFiles, folder+"/body.html")
	if err != nil {
		return nil, err
	}
	if _, err := t.html.New("body").Parse(string(body)); err != nil {
		return nil, err
	}
	for _, tree := range []*parse.Tree{t.subject.Tree, t.body.Tree, t.html.Lookup("body").Tree} {
		t.needs = append(t.needs, fields(tree.Root)...)
	}
	slices.Sort(t.needs)
	t.needs = slices.Compact(t.needs)
	return t, nil
}

// render fills in the values, and says below the text where such mails end, if they can. A subject is one line, whatever
// the values hold.
func (t *mailTemplate) render(values map[string]string, unsubscribe string) (rendered, error) {
	var missing []rpc.Violation
	for _, name := range t.needs {
		if _, ok := values[name]; !ok {
			missing = append(missing, rpc.Violation{Field: "values." + name, Description: "is missing; this template needs " + strings.Join(t.needs, ", ")})
		}
	}
	if missing != nil {
		return rendered{}, rpc.InvalidFields(missing...)
	}
	var subject, body, page strings.Builder
	if err := t.subject.Execute(&subject, values); err != nil {
		return rendered{}, err
	}
	if err := t.body.Execute(&body, values); err != nil {
		return rendered{}, err
	}
	framed := map[string]string{"unsubscribe": unsubscribe}
	for name, value := range values {
		if name != "unsubscribe" {
			framed[name] = value
		}
	}
	if err := t.html.Execute(&page, framed); err != nil {
		return rendered{}, err
	}
	if unsubscribe != "" {
		body.WriteString("\nNo more of these mails: " + unsubscribe + "\n")
	}
	return rendered{subject: oneLine(subject.String()), text: body.String(), html: page.String()}, nil
}

// oneLine turns control characters and runs of space into single spaces.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// fields lists the values that a template mentions.
func fields(node parse.Node) (names []string) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			names = append(names, fields(child)...)
		}
	case *parse.ActionNode:
		return fields(n.Pipe)
	case *parse.IfNode:
		return slices.Concat(fields(n.Pipe), fields(n.List), fields(n.ElseList))
	case *parse.WithNode:
		return slices.Concat(fields(n.Pipe), fields(n.List), fields(n.ElseList))
	case *parse.PipeNode:
		for _, command := range n.Cmds {
			for _, argument := range command.Args {
				names = append(names, fields(argument)...)
			}
		}
	case *parse.FieldNode:
		return n.Ident[:1]
	}
	return names
}
