package webhookdelivery_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	identityact "github.com/microservicehub/mshub/activities/identity"
	notifyact "github.com/microservicehub/mshub/activities/notify"
	identityv1 "github.com/microservicehub/mshub/services/identity/v1"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	runsv1 "github.com/microservicehub/mshub/services/runs/v1"
	"github.com/microservicehub/mshub/workflows/process"
	"github.com/microservicehub/mshub/workflows/process/processtest"
	"github.com/microservicehub/mshub/workflows/webhookdelivery"
	webhookdeliveryv1 "github.com/microservicehub/mshub/workflows/webhookdelivery/v1"
)

var (
	webhooks *notifyact.Webhooks
	mail     *notifyact.Activities
	identity *identityact.Activities

	input = &webhookdeliveryv1.Input{Delivery: "webhooks/0190a5c0-0000-7000-8000-000000000001/deliveries/0190a5c0-0000-7000-8000-000000000002"}
)

// room stands in for notify and identity: some attempts fail before the delivery ends as told.
type room struct {
	end   *notifyv1.DeliverWebhookResponse
	away  int // attempts that fail first
	fails map[string]error
	mails *notifyv1.SendMailsRequest
}

func delivered(attempts int32) *notifyv1.DeliverWebhookResponse {
	return &notifyv1.DeliverWebhookResponse{
		Delivery: &notifyv1.Delivery{Name: input.GetDelivery(), Event: "runs.run.failed", State: notifyv1.Delivery_DELIVERED, Attempts: attempts, LastStatus: 204, LatencyMs: 12},
		Webhook:  &notifyv1.Webhook{Title: "Billing"},
	}
}

func failed(disabled bool) *notifyv1.DeliverWebhookResponse {
	end := delivered(12)
	end.Disabled = disabled
	end.Delivery.State, end.Delivery.LastStatus, end.Delivery.Error = notifyv1.Delivery_FAILED, 410, "the address answered 410 Gone"
	end.Webhook.Url, end.Webhook.Creator, end.Webhook.DisabledReason = "https://billing.example/hooks?token=s3cret", "users/maker", "the address answered 410 Gone"
	return end
}

func (r *room) fake(env *processtest.Env) {
	processtest.On(env, webhooks.DeliverWebhook, func(*notifyv1.DeliverWebhookRequest) (*notifyv1.DeliverWebhookResponse, error) {
		if r.away > 0 {
			r.away--
			return nil, processtest.Away()
		}
		return r.end, r.fails["DeliverWebhook"]
	})
	processtest.On(env, identity.ListUsers, func(in *identityv1.ListUsersRequest) (*identityv1.ListUsersResponse, error) {
		if in.GetFilter() != `state="ACTIVE" AND roles:"admin"` {
			return nil, fmt.Errorf("asked for %s", in)
		}
		return &identityv1.ListUsersResponse{Users: []*identityv1.User{{Name: "users/admin", Email: "admin@example.com", DisplayName: "Ada"}}}, r.fails["ListUsers"]
	})
	processtest.On(env, identity.GetUser, func(in *identityv1.GetUserRequest) (*identityv1.User, error) {
		return &identityv1.User{Name: in.GetName(), Email: "maker@example.com", DisplayName: "Max", State: identityv1.User_ACTIVE}, r.fails["GetUser"]
	})
	processtest.On(env, identity.GetOrganisation, func(*identityv1.GetOrganisationRequest) (*identityv1.Organisation, error) {
		return &identityv1.Organisation{DisplayName: "Home"}, nil
	})
	processtest.On(env, mail.SendMails, func(in *notifyv1.SendMailsRequest) (*notifyv1.SendMailsResponse, error) {
		r.mails = in
		return &notifyv1.SendMailsResponse{Sent: int64(len(in.GetMails()))}, r.fails["SendMails"]
	})
}

func TestDelivered(t *testing.T) {
	t.Parallel()
	r := &room{end: delivered(3), away: 2}
	env := processtest.New(t, webhookdelivery.Process)
	r.fake(env)
	got := env.Run(input)
	want := &webhookdeliveryv1.Result{Event: "runs.run.failed", Attempts: 3, Status: 204, LatencyMs: 12}
	if diff := cmp.Diff(want, got.Result, protocmp.Transform()); diff != "" || got.Title != "runs.run.failed to Billing" {
		t.Errorf("%v, %q\n%s", got.Err, got.Title, diff)
	}
	if diff := cmp.Diff([]string{"DeliverWebhook", "DeliverWebhook", "DeliverWebhook"}, got.Calls); diff != "" {
		t.Error(diff)
	}
}

func TestGivenUp(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		room     *room
		to       []string
		reported bool
	}{
		{"given up", &room{end: failed(false)}, nil, false},
		{"disabled", &room{end: failed(true)}, []string{"admin@example.com", "maker@example.com"}, true},
		{"made by a client", &room{end: failed(true), fails: map[string]error{"GetUser": processtest.Refuse("not_found", "NOT_FOUND", "no user")}}, []string{"admin@example.com"}, true},
		{"nobody can be told", &room{end: failed(true), fails: map[string]error{"ListUsers": processtest.Refuse("permission_denied", "NO", "no")}}, nil, false},
		{"no mail", &room{end: failed(true), fails: map[string]error{"SendMails": processtest.Refuse("failed_precondition", "NO_MAIL", "no")}}, []string{"admin@example.com", "maker@example.com"}, true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			env := processtest.New(t, webhookdelivery.Process)
			tc.room.fake(env)
			got := env.Run(input)
			if got.Finish.GetState() != runsv1.Run_FAILED || got.Finish.GetError().GetReason() != "NOT_DELIVERED" || got.Finish.GetError().GetStep() != "deliver" {
				t.Errorf("finish: %s", got.Finish)
			}
			if slices.Contains(got.Calls, "SendMails") != tc.reported {
				t.Errorf("calls: %v", got.Calls)
			}
			var to []string
			for _, m := range tc.room.mails.GetMails() {
				to = append(to, m.GetRecipient())
				if m.GetValues()["host"] != "billing.example" || m.GetValues()["organisation"] != "Home" {
					t.Errorf("values: %v", m.GetValues())
				}
			}
			if diff := cmp.Diff(tc.to, to); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	r := &room{fails: map[string]error{"DeliverWebhook": processtest.Refuse("not_found", "NOT_FOUND", "no such delivery")}}
	env := processtest.New(t, webhookdelivery.Process)
	r.fake(env)
	if got := env.Run(input); got.Finish.GetError().GetReason() != "NOT_FOUND" || len(got.Calls) != 1 {
		t.Errorf("finish: %s, calls %v", got.Finish, got.Calls)
	}
}

// Between two attempts of a webhook lie hours; a cancel does not wait for them.
func TestCancelled(t *testing.T) {
	t.Parallel()
	r := &room{end: delivered(1), away: 1}
	env := processtest.New(t, webhookdelivery.Process)
	r.fake(env)
	env.WhenCalled("DeliverWebhook", func() { env.Command(process.UpdateCancel, "not needed any more") })
	if got := env.Run(input); got.Finish.GetState() != runsv1.Run_CANCELLED {
		t.Errorf("finish: %s", got.Finish)
	}
}
