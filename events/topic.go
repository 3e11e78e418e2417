package events

import (
	"strings"

	"github.com/google/uuid"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
)

// Topics, as viewers name them:
//
//	run:ID          the journal of one run: ordered, resumable
//	org:ID:runs     hint: the organisation's list of runs changed
//	user:ID:inbox   hint: the person's tasks changed
//	dataset:ID      hint: the dataset's records changed; ID as in datasets/ID
//
// A hint says "look again" and no more. It may come once too often, at most once a second, and on every reconnect the
// viewer looks again by itself.

// maxTopic bounds a topic's name.
const maxTopic = 255

// RunTopic is the topic of one run.
func RunTopic(run uuid.UUID) string { return "run:" + run.String() }

// RunsTopic hints at an organisation's list of runs.
func RunsTopic(organisation uuid.UUID) string { return "org:" + organisation.String() + ":runs" }

// InboxTopic hints at a person's tasks.
func InboxTopic(user uuid.UUID) string { return "user:" + user.String() + ":inbox" }

// DatasetTopic hints at a dataset: its id as in "datasets/flights".
func DatasetTopic(id string) string { return "dataset:" + id }

// Channels in Redis. A hint's channel is the organisation's own, so a viewer can't even wait at another's.
func runChannel(run uuid.UUID) string { return "mshub:run:" + run.String() }

func hintChannel(organisation uuid.UUID, topic string) string {
	return "mshub:hint:" + organisation.String() + ":" + topic
}

// organisationOf reads the organisation out of an org topic.
func organisationOf(topic string) (uuid.UUID, bool) {
	rest, ok := strings.CutPrefix(topic, "org:")
	if !ok {
		return uuid.Nil, false
	}
	id, _, _ := strings.Cut(rest, ":")
	organisation, err := uuid.Parse(id)
	return organisation, err == nil
}

// runOf reads the run out of a run topic.
func runOf(topic string) (uuid.UUID, bool) {
	id, ok := strings.CutPrefix(topic, "run:")
	if !ok {
		return uuid.Nil, false
	}
	run, err := uuid.Parse(id)
	return run, err == nil && run.String() == id
}

// permitHint says whether a viewer may wait for a hint: its own organisation's and its own inbox. What belongs to others
// is `not_found`, as what doesn't exist.
func permitHint(caller auth.Caller, topic string) error {
	switch {
	case topic == RunsTopic(caller.Organisation):
		return auth.Require(caller, "runs.read", "runs:read")
	case caller.User != uuid.Nil && topic == InboxTopic(caller.User):
		return auth.Require(caller, "tasks.read", "runs:read")
	case strings.HasPrefix(topic, "dataset:") && len(topic) <= maxTopic && caller.Organisation != uuid.Nil:
		return auth.Require(caller, "records.read", "records:read")
	}
	if len(topic) > maxTopic {
		topic = topic[:maxTopic]
	}
	return rpc.NotFound("topic", topic)
}
