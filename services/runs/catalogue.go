package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
	"unicode"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
)

// catalogue is the processes of this installation. It never changes.
type catalogue struct {
	order   []string
	byName  map[string]entry
	schemas fs.FS
}

// entry is one process: its definition, and what the door says about it.
type entry struct {
	process.Definition
	wire *runsv1.Process
	// settings that the operator changed; nil if none.
	settings map[string]time.Duration
	limits   limits
}

func newCatalogue(definitions []process.Definition, schemas fs.FS, settings map[string]time.Duration, operators map[string]int64) (*catalogue, error) {
	c := &catalogue{schemas: schemas, byName: map[string]entry{}}
	var faults []error
	for _, d := range definitions {
		if err := d.Validate(); err != nil {
			faults = append(faults, err)
			continue
		}
		wire, err := describe(d, schemas)
		if err != nil {
			faults = append(faults, fmt.Errorf("process %q: %w", d.Name, err))
			continue
		}
		c.order = append(c.order, d.Name)
		c.byName[d.Name] = entry{Definition: d, wire: wire, limits: limitsOf(d)}
	}
	for key, value := range settings {
		name, setting, _ := strings.Cut(key, ".")
		e, ok := c.byName[name]
		if _, declared := e.SettingDefault(setting); !ok || !declared {
			faults = append(faults, fmt.Errorf("MSHUB_RUNS_SETTINGS: there is no setting %q", key))
			continue
		}
		if e.settings == nil {
			e.settings = map[string]time.Duration{}
		}
		e.settings[setting] = value
		c.byName[name] = e
	}
	faults = append(faults, c.limit(operators))
	for name, e := range c.byName {
		if err := e.plannable(); err != nil {
			faults = append(faults, fmt.Errorf("process %q: %w", name, err))
		}
		e.limits.show(e.wire)
	}
	return c, errors.Join(faults...)
}

func (c *catalogue) get(name string) (entry, error) {
	e, ok := c.byName[strings.TrimPrefix(name, "processes/")]
	if !ok {
		return entry{}, rpc.NotFound("process", strings.TrimPrefix(name, "processes/"))
	}
	return e, nil
}

// mayAsk is true unless the process is known to have no step that a person decides.
func (c *catalogue) mayAsk(name string) bool {
	e, known := c.byName[name]
	return !known || slices.ContainsFunc(e.Steps, func(s process.Step) bool { return s.Kind == process.Human })
}

// For adds whether the caller may start it.
func (e entry) forCaller(caller auth.Caller) *runsv1.Process {
	out := proto.CloneOf(e.wire)
	out.Startable = caller.Has("runs.write") && (e.Permission == "" || caller.Has(e.Permission))
	return out
}

// ListProcesses returns all processes, in the order of the list in workflows.
func (s *Service) ListProcesses(ctx context.Context, _ *runsv1.ListProcessesRequest) (*runsv1.ListProcessesResponse, error) {
	res := &runsv1.ListProcessesResponse{}
	for _, name := range s.catalogue.order {
		res.Processes = append(res.Processes, s.catalogue.byName[name].forCaller(auth.From(ctx)))
	}
	return res, nil
}

// GetProcess returns one process.
func (s *Service) GetProcess(ctx context.Context, req *runsv1.GetProcessRequest) (*runsv1.Process, error) {
	e, err := s.catalogue.get(req.GetName())
	if err != nil {
		return nil, err
	}
	return e.forCaller(auth.From(ctx)), nil
}

var kinds = map[process.Kind]runsv1.Step_Kind{
	process.Activity: runsv1.Step_ACTIVITY,
	process.Human:    runsv1.Step_TASK,
	process.Timer:    runsv1.Step_TIMER,
	process.Many:     runsv1.Step_EACH,
	process.Child:    runsv1.Step_CHILD,
}

func describe(d process.Definition, schemas fs.FS) (*runsv1.Process, error) {
	out := &runsv1.Process{
		Name: "processes/" + d.Name, Title: d.Title, Description: d.Description, Permission: d.Permission,
		Concurrency: d.Concurrency, OrganisationConcurrency: d.OrganisationConcurrency, KeyConcurrency: d.KeyConcurrency,
		Schedule: d.Schedule.Cron, Parks: d.OnFailure == process.Park, Keepable: d.Keepable, Singleton: d.Singleton,
	}
	for i, step := range d.Steps {
		after := step.After
		if len(after) == 0 && i > 0 {
			after = []string{d.Steps[i-1].Name}
		}
		out.Steps = append(out.Steps, &runsv1.Step{
			Name: step.Name, Title: step.Title, Kind: kinds[step.Kind], After: after, State: runsv1.Step_PENDING,
			Optional: step.Optional, Skippable: step.Skippable || step.Optional,
		})
	}
	var err error
	if out.InputSchema, err = schemaOf(d.Input, schemas); err != nil {
		return nil, err
	}
	out.ResultSchema, err = schemaOf(d.Result, schemas)
	return out, err
}

// schemaOf reads the generated JSON Schema of a message and makes it fit for a form: what is required is what an empty
// message is refused for, fields have titles, and an enum's "unspecified" is left out because an empty field says it.
func schemaOf(message proto.Message, schemas fs.FS) (*structpb.Struct, error) {
	name := string(message.ProtoReflect().Descriptor().FullName())
	raw, err := fs.ReadFile(schemas, name+".jsonschema.strict.bundle.json")
	if err != nil {
		return nil, fmt.Errorf("run `make generate`: %w", err)
	}
	var bundle struct {
		Defs map[string]map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(raw, &bundle); err != nil {
		return nil, err
	}
	defs := map[string]any{}
	var root map[string]any
	for key, def := range bundle.Defs {
		delete(def, "required")
		tidy(def)
		if key == name+".jsonschema.strict.json" {
			root = def
		} else {
			defs[key] = def
		}
	}
	if len(defs) > 0 {
		root["$defs"] = defs
	}
	if required := requiredFields(message); len(required) > 0 {
		root["required"] = required
	}
	order(root, message)
	delete(root, "title") // "Input" says nothing
	out, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	schema := &structpb.Struct{}
	return schema, protojson.Unmarshal(out, schema)
}

// order numbers the properties as the message declares its fields, because JSON objects have no order ("x-order").
func order(root map[string]any, message proto.Message) {
	properties, _ := root["properties"].(map[string]any)
	fields := message.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if property, ok := properties[fields.Get(i).JSONName()].(map[string]any); ok {
			property["x-order"] = i
		}
	}
}

func tidy(def map[string]any) {
	if text, ok := def["description"].(string); ok {
		def["description"] = strings.Join(strings.Fields(text), " ")
	}
	properties, _ := def["properties"].(map[string]any)
	for name, value := range properties {
		property, ok := value.(map[string]any)
		if !ok {
			continue
		}
		property["title"] = titleOf(name)
		if values, ok := property["enum"].([]any); ok {
			property["enum"] = slices.DeleteFunc(values, func(v any) bool {
				text, _ := v.(string)
				return strings.HasSuffix(text, "_UNSPECIFIED")
			})
		}
		tidy(property)
	}
}

// titleOf makes "Display name" of displayName.
func titleOf(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case i == 0:
			b.WriteRune(unicode.ToUpper(r))
		case unicode.IsUpper(r):
			b.WriteByte(' ')
			b.WriteRune(unicode.ToLower(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// requiredFields are those that an empty message is refused for, by their JSON names.
func requiredFields(message proto.Message) []any {
	empty := message.ProtoReflect().New().Interface()
	var invalid *protovalidate.ValidationError
	if !errors.As(protovalidate.Validate(empty), &invalid) {
		return nil
	}
	var names []any
	for _, v := range invalid.Violations {
		name := rpc.FieldPath(v)
		if name != "" && !slices.Contains(names, any(name)) {
			names = append(names, name)
		}
	}
	return names
}
