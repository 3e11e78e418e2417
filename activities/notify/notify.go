// Package notify is how a workflow reaches services/notify: verb -> client call.
package notify

import (
	"context"

	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
	"github.com/microservicehub/mshub/services/notify/v1/notifyv1connect"
)

// Activities are registered on the workers; their names are the verbs.
type Activities struct {
	client notifyv1connect.NotifyServiceClient
}

// New makes the activities over a client that carries the run's identity and idempotency key.
func New(client notifyv1connect.NotifyServiceClient) *Activities { return &Activities{client} }

// SendMail renders a template and sends it; repeating the call sends nothing.
func (a *Activities) SendMail(ctx context.Context, in *notifyv1.SendMailRequest) (*notifyv1.SendMailResponse, error) {
	return a.client.SendMail(ctx, in)
}

// SendMails sends many mails, each once; what no server takes is listed in the answer.
func (a *Activities) SendMails(ctx context.Context, in *notifyv1.SendMailsRequest) (*notifyv1.SendMailsResponse, error) {
	return a.client.SendMails(ctx, in)
}

// EraseMessages counts or removes an address in the notes of mails.
func (a *Activities) EraseMessages(ctx context.Context, in *notifyv1.EraseMessagesRequest) (*notifyv1.EraseMessagesResponse, error) {
	return a.client.EraseMessages(ctx, in)
}
