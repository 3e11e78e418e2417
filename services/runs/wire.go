package runs

import (
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/runs/store"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
)

// runID reads "runs/ID"; anything else names nothing.
func runID(name string) (uuid.UUID, error) { return parseName("run", "runs/", name) }

func taskID(name string) (uuid.UUID, error) { return parseName("task", "tasks/", name) }

func parseName(kind, prefix, name string) (uuid.UUID, error) {
	text, ok := strings.CutPrefix(name, prefix)
	id, err := uuid.Parse(text)
	if !ok || err != nil || id.String() != text {
		return uuid.Nil, rpc.NotFound(kind, name)
	}
	return id, nil
}

func taskName(id uuid.UUID) string { return "tasks/" + id.String() }

// wireRun makes the message of a list; steps, input and result are GetRun's.
func wireRun(row store.Run, head events.RunHead) *runsv1.Run {
	run := &runsv1.Run{
		Name:      events.RunName(row.ID),
		Process:   row.Process,
		Title:     row.Title,
		State:     runsv1.Run_State(runsv1.Run_State_value[head.State]),
		Step:      head.Step,
		Seq:       head.Seq,
		Actor:     row.Actor,
		StartTime: timestamppb.New(row.CreatedAt),
		EndTime:   optional(row.EndedAt),
		Key:       text(row.Key),
		Priority:  int32(row.Priority),
		Build:     head.Build,
		Parked:    head.Parked,
	}
	if row.Schedule != nil {
		run.Schedule = scheduleName(*row.Schedule)
	}
	if p := head.Progress; p.GetDone() != 0 || p.GetTotal() != 0 {
		run.Progress = p
	}
	if row.RetriedFrom != nil {
		run.RetriedFrom = events.RunName(*row.RetriedFrom)
	}
	if run.GetState() >= runsv1.Run_COMPLETED {
		run.Step = ""
	}
	return run
}

// wireTask needs the task's votes, in order.
func (s *Service) wireTask(row store.Task, votes []store.Vote, caller auth.Caller) (*runsv1.Task, error) {
	task := &runsv1.Task{
		Name:        taskName(row.ID),
		Run:         events.RunName(row.Run),
		Process:     row.Process,
		Step:        row.Step,
		Title:       row.Title,
		Description: row.Description,
		State:       runsv1.Task_State(runsv1.Task_State_value[row.State]),
		Assignee:    row.Assignee,
		ClaimedBy:   row.ClaimedBy,
		Decision:    runsv1.Task_Decision(runsv1.Task_Decision_value[row.Decision]),
		DecidedBy:   row.DecidedBy,
		Reason:      row.Reason,
		CreateTime:  timestamppb.New(row.CreatedAt),
		DueTime:     optional(row.DueAt),
		DecideTime:  optional(row.DecidedAt),
		Version:     row.Version,
		Decidable:   claimable(row, votes, caller) == nil,

		Quorum: row.Quorum, FourEyes: row.FourEyes, ApproveLabel: row.ApproveLabel, RejectLabel: row.RejectLabel,
		DelegatedBy: row.DelegatedBy, Escalated: row.Escalated, Files: row.Files,
	}
	for _, vote := range votes {
		task.Votes = append(task.Votes, &runsv1.Task_Vote{
			Decision: runsv1.Task_Decision(runsv1.Task_Decision_value[vote.Decision]), Actor: vote.Actor, Reason: vote.Reason, Time: timestamppb.New(vote.VotedAt),
		})
	}
	for _, field := range []struct {
		raw  []byte
		into **structpb.Struct
	}{{row.Form, &task.Form}, {row.FormSchema, &task.FormSchema}, {row.Context, &task.Context}} {
		if err := unmarshal(field.raw, field.into); err != nil {
			return nil, err
		}
	}
	return task, nil
}

// text of a column that may be null.
func text(column *string) string {
	if column == nil {
		return ""
	}
	return *column
}

func optional(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return timestamppb.New(*t)
}

// unmarshal fills a struct from a JSONB column; null leaves it unset.
func unmarshal(raw []byte, into **structpb.Struct) error {
	if raw == nil {
		return nil
	}
	*into = &structpb.Struct{}
	return protojson.Unmarshal(raw, *into)
}

// marshal makes a JSONB value; an unset message is null.
func marshal(message proto.Message) ([]byte, error) {
	if !message.ProtoReflect().IsValid() {
		return nil, nil
	}
	return protojson.Marshal(message)
}
