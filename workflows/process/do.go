package process

import (
	"context"

	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	runcontext "github.com/microservicehub/mshub/internal/temporal"
)

// Verb is a method of an activities room: what a step calls. In a workflow, name it as a method value of a nil pointer:
//
//	var records *records.Activities
//	plan, err := process.Do(ctx, "plan", records.PlanImport, req)
type Verb[Req, Res proto.Message] func(context.Context, Req) (Res, error)

// Do runs a declared step: it waits while the run is paused, calls the verb with retries, and returns its answer. The
// step's final failure is an error that the story may handle or return; in a process that parks, an operator decides
// first. A step that the operator skips has an empty answer.
//
// Undo, if given, is registered before the call: it runs when the run does not succeed, unless the service refused this
// step for certain. Its request is made from the step's answer, which is nil if no answer came.
//
// A step is called once; for many calls there is Each.
func Do[Req, Res proto.Message](ctx workflow.Context, step string, verb Verb[Req, Res], req Req, undo ...Undo[Res]) (Res, error) {
	return DoWith(ctx, step, verb, func(workflow.Context) (Req, error) { return req, nil }, undo...)
}

// DoWith is Do whose request is made when the run comes to the call, and anew when it comes to it again, after a pause or
// by an operator's word: for what expires meanwhile, such as a link. An error of request is the step's.
func DoWith[Req, Res proto.Message](
	ctx workflow.Context, step string, verb Verb[Req, Res], request func(workflow.Context) (Req, error), undo ...Undo[Res],
) (Res, error) {
	f := frameOf(ctx)
	result := empty[Res]()
	declared, err := f.enter(ctx, step, Activity)
	if err != nil {
		return result, err
	}
	done, err := f.kept(step, result)
	if err != nil || f.carry.Skipped[step] {
		return result, err
	}
	answer := &answer[Res]{}
	undos := make([]*undoStep, 0, len(undo))
	for _, u := range undo {
		undos = append(undos, u.step(declared, answer))
	}
	f.undo = append(f.undo, undos...)
	for !done {
		if result, err = try(ctx, f, declared, 0, verb, request); err == nil {
			done = true
			err = f.keep(step, result)
			continue
		}
		if refused(err) {
			f.forget(undos)
		}
		switch f.decide(ctx, declared, 0, &err) {
		case tryAgain:
			f.forget(undos)
			f.undo = append(f.undo, undos...)
		case leaveOut:
			f.forget(undos)
			f.carry.Skipped[step] = true
			result = empty[Res]()
			return result, f.keep(step, result)
		default:
			return result, err
		}
	}
	answer.value = result
	return result, err
}

// Aside calls a verb on account of a step without being it: a link that the step needs, a reminder while it waits. Nobody
// reports it as the step's start or end; its failure is the story's to judge. The name tells apart a step's calls beside
// it; within a Reminder each round is a call of its own.
func Aside[Req, Res proto.Message](ctx workflow.Context, step, name string, verb Verb[Req, Res], req Req) (Res, error) {
	return beside(ctx, step, frameOf(ctx).inside(ctx, step, runcontext.RunOf(ctx).Item, name), name, verb, req)
}

// Again calls the verb of a step that is done once more, beside whatever the story is at now, as one more attempt of it would:
// under its idempotency key. So the service gives the same answer, but for what it makes anew each time, such as a link.
func Again[Req, Res proto.Message](ctx workflow.Context, step string, verb Verb[Req, Res], req Req) (Res, error) {
	attempt := frameOf(ctx).inside(ctx, step, 0, "")
	run := runcontext.RunOf(attempt)
	run.Quiet = true
	return beside(ctx, step, runcontext.WithRun(attempt, run), "Again", verb, req)
}

func beside[Req, Res proto.Message](ctx workflow.Context, step string, under workflow.Context, summary string, verb Verb[Req, Res], req Req) (Res, error) {
	f := frameOf(ctx)
	if _, ok := f.definition.step(step); !ok {
		return empty[Res](), undeclared(f.definition, step)
	}
	result, err := call(withActivity(under, 0, stepRetries, summary), verb, req)
	if err != nil {
		err = &stepError{step: step, cause: err, untold: true}
	}
	return result, err
}

// call runs a verb under the options of the context.
func call[Req, Res proto.Message](ctx workflow.Context, verb Verb[Req, Res], req Req) (Res, error) {
	result := empty[Res]()
	err := workflow.ExecuteActivity(ctx, (func(context.Context, Req) (Res, error))(verb), req).Get(ctx, result)
	return result, err
}

// empty returns a new message of a type that is a pointer to a generated struct.
func empty[M proto.Message]() M {
	var none M
	return none.ProtoReflect().New().Interface().(M)
}

// answer is a step's answer as its undo sees it: nil until one came.
type answer[Res proto.Message] struct{ value Res }
