package runs

import (
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// formType finds the message of a task's form among those linked into the house: the processes' doors.
func formType(name string) (proto.Message, bool) {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil || !strings.HasPrefix(name, "workflows.") {
		return nil, false
	}
	return kind.Zero().Interface(), true
}

// formSchema is what the form of a new task is drawn from: its message's schema, or the one that came with the task.
func (s *Service) formSchema(req *runsv1.CreateTaskRequest) (*structpb.Struct, error) {
	name := req.GetFormMessage()
	if name == "" {
		return req.GetFormSchema(), nil
	}
	message, ok := formType(name)
	if !ok {
		return nil, rpc.Invalid("formMessage", "there is no message %q in a process's door", name)
	}
	schema, err := schemaOf(message, s.catalogue.schemas)
	if err != nil {
		return nil, rpc.Invalid("formMessage", "%q has no schema; generated files are missing", name)
	}
	return schema, nil
}

// decisionForm checks what came with a decision against what the task asks for. An approval needs the whole form; a
// rejection may leave it out.
func (s *Service) decisionForm(task store.Task, req *runsv1.DecideTaskRequest) ([]byte, error) {
	form := req.GetForm()
	if task.FormMessage == "" {
		if task.FormSchema == nil && len(form.GetFields()) > 0 {
			return nil, rpc.Invalid("form", "this task asks for no form; leave it out")
		}
		return marshal(form)
	}
	if form == nil && req.GetDecision() == runsv1.Task_REJECT {
		return nil, nil
	}
	like, ok := formType(task.FormMessage)
	if !ok {
		return nil, rpc.Precondition("FORM_UNKNOWN", "this node does not know the form %s; it belongs to another version of the house", task.FormMessage)
	}
	message, err := decode(like, form, "form")
	if err != nil {
		return nil, err
	}
	return protojson.Marshal(message)
}
