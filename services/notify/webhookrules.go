package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/microservicehub/mshub/events"
	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/config"
	"github.com/microservicehub/mshub/internal/egress"
	"github.com/microservicehub/mshub/internal/rpc"
	"github.com/microservicehub/mshub/services/notify/store"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
)

// WebhookConfig is read from the environment.
type WebhookConfig struct {
	// Allow names networks that webhooks may call beside the public internet, also by plain http: "10.1.0.0/16,127.0.0.1".
	Allow []string `env:"MSHUB_NOTIFY_WEBHOOK_ALLOW"`
	// Timeout of one attempt, from the name's resolution to the answer's end.
	Timeout time.Duration `env:"MSHUB_NOTIFY_WEBHOOK_TIMEOUT" envDefault:"15s"`
	// Backoff is the pause after each failed attempt; the delivery is given up when the list is at its end. Nearly three days.
	Backoff []time.Duration `env:"MSHUB_NOTIFY_WEBHOOK_BACKOFF" envDefault:"5s,5m,30m,2h,5h,10h,10h,10h,10h,10h,10h"`
	// DisableAfter is how long every attempt has failed before a webhook is disabled.
	DisableAfter time.Duration `env:"MSHUB_NOTIFY_WEBHOOK_DISABLE_AFTER" envDefault:"120h"`
}

// mostPauses keeps a delivery within the attempts that a step of a process has.
const mostPauses = 14

// Validate reports every fault at once.
func (c *WebhookConfig) Validate() error {
	var faults []error
	if _, err := egress.ParsePolicy(c.Allow); err != nil {
		faults = append(faults, config.Fault("MSHUB_NOTIFY_WEBHOOK_ALLOW", "%s", err))
	}
	if c.Timeout < time.Second || c.Timeout > 50*time.Second {
		faults = append(faults, config.Fault("MSHUB_NOTIFY_WEBHOOK_TIMEOUT", "use 1s to 50s"))
	}
	if len(c.Backoff) > mostPauses || slices.ContainsFunc(c.Backoff, func(d time.Duration) bool { return d < time.Second || d > 7*24*time.Hour }) {
		faults = append(faults, config.Fault("MSHUB_NOTIFY_WEBHOOK_BACKOFF", "name at most %d pauses of 1s to 168h: 5s,5m,30m,2h", mostPauses))
	}
	if c.DisableAfter < time.Hour {
		faults = append(faults, config.Fault("MSHUB_NOTIFY_WEBHOOK_DISABLE_AFTER", "use at least 1h"))
	}
	return errors.Join(faults...)
}

// eventPing is what TestWebhook sends. It is no fact; nobody subscribes to it.
const eventPing = "notify.webhook.ping"

// checkWebhook reports what the door's rules can't know.
func (w *Webhooks) checkWebhook(in *notifyv1.Webhook) error {
	var faults []rpc.Violation
	if strings.TrimSpace(in.GetTitle()) == "" {
		faults = append(faults, rpc.Violation{Field: "webhook.title", Description: "is required"})
	}
	if err := w.policy.CheckURL(in.GetUrl()); err != nil {
		faults = append(faults, rpc.Violation{Field: "webhook.url", Description: err.Error()})
	}
	if len(in.GetEvents()) == 0 {
		faults = append(faults, rpc.Violation{Field: "webhook.events", Description: "name at least one kind of event, such as runs.run.failed"})
	}
	for i, pattern := range in.GetEvents() {
		if !slices.ContainsFunc(events.FactKinds(), func(kind string) bool { return matches(pattern, kind) }) {
			faults = append(faults, rpc.Violation{Field: fmt.Sprintf("webhook.events[%d]", i), Description: fmt.Sprintf(
				"there is no event %q; there are %s, and all below a prefix: runs.run.*", pattern, strings.Join(events.FactKinds(), ", "))})
		}
	}
	if state := in.GetState(); state != 0 && state != notifyv1.Webhook_ENABLED && state != notifyv1.Webhook_DISABLED {
		faults = append(faults, rpc.Violation{Field: "webhook.state", Description: "use ENABLED or DISABLED"})
	}
	if len(faults) > 0 {
		return rpc.InvalidFields(faults...)
	}
	return nil
}

// mayRead: who asks to be told of something must be allowed to read it. Facts about people hold their addresses.
func mayRead(caller auth.Caller, patterns []string) error {
	for _, kind := range events.FactKinds() {
		if aboutPeople(kind) && !readsPeople(caller) && slices.ContainsFunc(patterns, func(p string) bool { return matches(p, kind) }) {
			return rpc.Denied("MAY_NOT_READ", "the events would tell %s, which needs the permission identity.read and the scope identity:read; "+
				"name other events", kind)
		}
	}
	return nil
}

func aboutPeople(kind string) bool { return strings.HasPrefix(kind, "identity.") }

func readsPeople(caller auth.Caller) bool {
	const permission = "identity.read"
	return auth.Require(caller, permission, auth.ScopeOf(permission)) == nil
}

// matches knows a kind by its name, "*" and "runs.run.*".
func matches(pattern, kind string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return (prefix == "" || strings.HasSuffix(prefix, ".")) && strings.HasPrefix(kind, prefix)
	}
	return pattern == kind
}

// stateOf is the state that a row gets; a webhook is enabled unless somebody says otherwise.
func stateOf(in *notifyv1.Webhook) string {
	if in.GetState() == 0 {
		return notifyv1.Webhook_ENABLED.String()
	}
	return in.GetState().String()
}

func wireWebhook(row store.Webhook) *notifyv1.Webhook {
	out := &notifyv1.Webhook{
		Name: webhookName(row.ID), Title: row.Title, Url: row.Url, Events: row.Events,
		State: notifyv1.Webhook_State(notifyv1.Webhook_State_value[row.State]), DisabledReason: row.DisabledReason, Creator: row.Creator,
		CreateTime: timestamppb.New(row.CreatedAt), UpdateTime: timestamppb.New(row.UpdatedAt),
	}
	if row.FailingSince != nil {
		out.FailingSince = timestamppb.New(*row.FailingSince)
	}
	return out
}
