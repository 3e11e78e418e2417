package notify

import (
	"context"

	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
)

// Webhooks are the verbs of the second door.
type Webhooks struct {
	client notifyv1connect.WebhookServiceClient
}

// NewWebhooks makes the activities over a client that carries the run's identity and idempotency key.
func NewWebhooks(client notifyv1connect.WebhookServiceClient) *Webhooks { return &Webhooks{client} }

// DeliverWebhook makes one attempt; the error of a failed one says when the next is due.
func (w *Webhooks) DeliverWebhook(ctx context.Context, in *notifyv1.DeliverWebhookRequest) (*notifyv1.DeliverWebhookResponse, error) {
	return w.client.DeliverWebhook(ctx, in)
}
