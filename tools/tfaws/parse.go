package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// source is the generated code of one resource, in parts.
type source struct {
	// hcl is, by struct or "" for the resource itself, the list of what can be set.
	hcl map[string]string
	// classes are the bodies by class name; setters without a reset are required.
	classes map[string]string
	main    string
}

var (
	structHCL = regexp.MustCompile(`(?s)\nfunction (\w+)ToHclTerraform\(struct\) \{(.*?)\n\}`)
	class     = regexp.MustCompile(`(?s)\nclass (\w+) extends cdktf\.(\w+) \{(.*?)\n\}`)
	mainHCL   = regexp.MustCompile(`(?s)synthesizeHclAttributes\(\) \{(.*?)\n    \}`)
	settable  = regexp.MustCompile(`(?s)\n {8,12}(\w+): \{\s+value: .*?isBlock: (\w+),\s+type: "(\w+)",\s+storageClassType: "(\w+)",`)
	computed  = regexp.MustCompile(`// (\w+) - computed: true, optional: false, required: false\s+get \w+\(\) \{\s+return ([^;]+);`)
	nested    = regexp.MustCompile(`this\._\w+ = new (\w+)\(this, "(\w+)"`)
)

func readSource(folder string) (*source, error) {
	s := &source{hcl: map[string]string{}, classes: map[string]string{}}
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".js" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := string(raw)
		for _, m := range structHCL.FindAllStringSubmatch(text, -1) {
			s.hcl[strings.ToUpper(m[1][:1])+m[1][1:]] = m[2]
		}
		for _, m := range class.FindAllStringSubmatch(text, -1) {
			s.classes[m[1]] = m[3]
			if m[2] == "TerraformResource" || m[2] == "TerraformDataSource" {
				s.main = m[1]
			}
		}
		return nil
	})
	return s, err
}

func (s *source) root() (*tfprotov6.SchemaBlock, error) {
	body := s.classes[s.main]
	attributes := mainHCL.FindStringSubmatch(body)
	if attributes == nil {
		return nil, fmt.Errorf("no resource in it")
	}
	return s.block(attributes[1], body)
}

// block makes a schema of what can be set and what can only be read.
func (s *source) block(attributes, body string) (*tfprotov6.SchemaBlock, error) {
	block := &tfprotov6.SchemaBlock{}
	seen := map[string]bool{}
	for _, m := range settable.FindAllStringSubmatch(attributes, -1) {
		name, isBlock, shape, storage := m[1], m[2] == "true", m[3], m[4]
		seen[name] = true
		required := !strings.Contains(body, "reset"+camel(name)+"(")
		if !isBlock {
			block.Attributes = append(block.Attributes, &tfprotov6.SchemaAttribute{
				Name: name, Type: typeOf(shape, storage), Required: required, Optional: !required, Computed: !required,
			})
			continue
		}
		inner := strings.TrimSuffix(storage, "List")
		if _, ok := s.hcl[inner]; !ok {
			inner = storage
		}
		child, err := s.block(s.hcl[inner], s.classes[inner+"OutputReference"])
		if err != nil {
			return nil, err
		}
		nesting := &tfprotov6.SchemaNestedBlock{TypeName: name, Block: child, Nesting: tfprotov6.SchemaNestedBlockNestingModeList}
		switch {
		case name == "timeouts":
			nesting.Nesting = tfprotov6.SchemaNestedBlockNestingModeSingle
		case shape == "set":
			nesting.Nesting = tfprotov6.SchemaNestedBlockNestingModeSet
		}
		if required && nesting.Nesting != tfprotov6.SchemaNestedBlockNestingModeSingle {
			nesting.MinItems = 1
		}
		if strings.Contains(body, "new "+inner+`OutputReference(this, "`+name+`"`) && name != "timeouts" {
			nesting.MaxItems = 1
		}
		block.BlockTypes = append(block.BlockTypes, nesting)
	}
	for _, m := range computed.FindAllStringSubmatch(body, -1) {
		if seen[m[1]] || m[1] == "fqn" {
			continue
		}
		seen[m[1]] = true
		block.Attributes = append(block.Attributes, &tfprotov6.SchemaAttribute{Name: m[1], Type: readable(m[2]), Computed: true})
	}
	// Lists of objects that can only be read have no comment; their shape is left open.
	for _, m := range nested.FindAllStringSubmatch(body, -1) {
		if !seen[m[2]] {
			seen[m[2]] = true
			block.Attributes = append(block.Attributes, &tfprotov6.SchemaAttribute{Name: m[2], Type: tftypes.DynamicPseudoType, Computed: true})
		}
	}
	return block, nil
}

func camel(name string) string {
	var b strings.Builder
	for _, part := range strings.Split(name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

var scalars = map[string]tftypes.Type{"string": tftypes.String, "number": tftypes.Number, "boolean": tftypes.Bool}

func typeOf(shape, storage string) tftypes.Type {
	element := tftypes.Type(tftypes.DynamicPseudoType)
	for name, scalar := range scalars {
		if strings.HasPrefix(storage, name) {
			element = scalar
		}
	}
	if element.Is(tftypes.DynamicPseudoType) {
		return element
	}
	switch shape {
	case "simple":
		return element
	case "list":
		return tftypes.List{ElementType: element}
	case "set":
		return tftypes.Set{ElementType: element}
	case "map":
		return tftypes.Map{ElementType: element}
	}
	return tftypes.DynamicPseudoType
}

// readable is the type behind a getter.
func readable(getter string) tftypes.Type {
	switch {
	case strings.Contains(getter, "tolist(this.getListAttribute"):
		return tftypes.Set{ElementType: tftypes.String}
	case strings.Contains(getter, "getListAttribute"):
		return tftypes.List{ElementType: tftypes.String}
	case strings.Contains(getter, "getStringAttribute"):
		return tftypes.String
	case strings.Contains(getter, "getNumberAttribute"):
		return tftypes.Number
	case strings.Contains(getter, "getBooleanAttribute"):
		return tftypes.Bool
	case strings.Contains(getter, "getStringMapAttribute"):
		return tftypes.Map{ElementType: tftypes.String}
	}
	return tftypes.DynamicPseudoType
}
