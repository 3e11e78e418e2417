package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"

	"github.com/microservicehub/mshub/internal/auth"
	"github.com/microservicehub/mshub/internal/rpc"
	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
)

// manyBudget is how long one call of SendMails goes on; the next attempt takes up where it stopped.
const manyBudget = 40 * time.Second

// SendMails sends one after the other, each under a key of its own below the call's. A mail that is refused for good is
// listed; anything else that goes wrong fails the call, and a repeated one sends what was not sent.
func (s *Service) SendMails(ctx context.Context, req *notifyv1.SendMailsRequest) (*notifyv1.SendMailsResponse, error) {
	key := rpc.IdempotencyKey(ctx)
	if key == "" {
		return nil, rpc.Invalid(rpc.IdempotencyHeader, "mails need the header %s, so that they are sent once", rpc.IdempotencyHeader)
	}
	res, begin := &notifyv1.SendMailsResponse{}, s.now()
	for i, mail := range req.GetMails() {
		if s.now().Sub(begin) > manyBudget {
			return nil, rpc.Unavailable("%d of %d mails have left; the next attempt sends the others", i, len(req.GetMails()))
		}
		_, err := s.send(ctx, fmt.Sprintf("%s/%d", key, i), mail)
		switch connect.CodeOf(err) {
		case connect.CodeFailedPrecondition:
			res.Refused = append(res.Refused, &notifyv1.SendMailsResponse_Refused{Index: int32(i), Reason: rpc.ReasonOf(err), Message: rpc.Message(err)})
		default:
			if err != nil {
				return nil, err
			}
			res.Sent++
		}
	}
	return res, nil
}

// EraseMessages counts the mails to an address and the deliveries of webhooks that name it, or takes it off them. What was
// captured is deleted.
func (s *Service) EraseMessages(ctx context.Context, req *notifyv1.EraseMessagesRequest) (*notifyv1.EraseMessagesResponse, error) {
	res := &notifyv1.EraseMessagesResponse{}
	email := strings.ToLower(strings.TrimSpace(req.GetEmail()))
	err := s.db.Tx(ctx, auth.From(ctx).Organisation, func(tx pgx.Tx) (err error) {
		if req.GetDryRun() {
			if res.Messages, err = s.q.CountMessagesTo(ctx, tx, email); err != nil {
				return err
			}
			deliveries, err := s.q.CountDeliveriesAbout(ctx, tx, email)
			res.Messages += deliveries
			return err
		}
		if res.Messages, err = s.q.EraseMessagesTo(ctx, tx, email); err != nil {
			return err
		}
		deliveries, err := s.q.EraseDeliveriesAbout(ctx, tx, email)
		if err != nil {
			return err
		}
		res.Messages += deliveries
		return s.q.EraseCapturedTo(ctx, tx, email)
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}
