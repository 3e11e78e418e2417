package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
)

func (a *api) diffWebhooks(ctx context.Context, want *desired) ([]change, error) {
	if len(want.Webhooks) == 0 {
		return nil, nil
	}
	have := map[string]*notifyv1.Webhook{}
	for token := ""; ; {
		page, err := a.hooks.ListWebhooks(ctx, &notifyv1.ListWebhooksRequest{PageSize: 1000, PageToken: token})
		if err != nil {
			return nil, err
		}
		for _, h := range page.GetWebhooks() {
			if have[h.GetTitle()] == nil { // the oldest first
				have[h.GetTitle()] = h
			}
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	var changes []change
	for _, w := range want.Webhooks {
		if old := have[w.Title]; old != nil {
			changes = append(changes, a.updateWebhook(old, w)...)
			continue
		}
		wanted := &notifyv1.Webhook{Title: w.Title, Url: w.URL, Events: w.Events}
		if w.Enabled != nil && !*w.Enabled {
			wanted.State = notifyv1.Webhook_DISABLED
		}
		changes = append(changes, change{
			line: fmt.Sprintf("+ webhook %s: %s to %s", w.Title, strings.Join(w.Events, " "), w.URL),
			do: func(ctx context.Context) (string, error) {
				made, err := a.hooks.CreateWebhook(ctx, &notifyv1.CreateWebhookRequest{Webhook: wanted})
				if err != nil {
					return "", err
				}
				return fmt.Sprintf("  webhook %s: %s, secret %s (shown only now)", w.Title, made.GetWebhook().GetName(), made.GetSecret()), nil
			},
		})
	}
	return changes, nil
}

// updateWebhook is empty if nothing differs.
func (a *api) updateWebhook(old *notifyv1.Webhook, w desiredWebhook) []change {
	mask := &fieldmaskpb.FieldMask{}
	var parts []string
	if old.GetUrl() != w.URL {
		mask.Paths = append(mask.Paths, "url")
		parts = append(parts, fmt.Sprintf("url %q -> %q", old.GetUrl(), w.URL))
	}
	if !sameSet(old.GetEvents(), w.Events) {
		mask.Paths = append(mask.Paths, "events")
		parts = append(parts, fmt.Sprintf("events %s -> %s", strings.Join(old.GetEvents(), " "), strings.Join(w.Events, " ")))
	}
	wanted := &notifyv1.Webhook{Name: old.GetName(), Url: w.URL, Events: w.Events, State: old.GetState()}
	if w.Enabled != nil && *w.Enabled != (old.GetState() == notifyv1.Webhook_ENABLED) {
		wanted.State = notifyv1.Webhook_DISABLED
		if *w.Enabled {
			wanted.State = notifyv1.Webhook_ENABLED
		}
		mask.Paths = append(mask.Paths, "state")
		parts = append(parts, strings.ToLower(wanted.GetState().String()))
	}
	if len(parts) == 0 {
		return nil
	}
	return []change{{
		line: fmt.Sprintf("~ webhook %s: %s", w.Title, strings.Join(parts, ", ")),
		do: func(ctx context.Context) (string, error) {
			_, err := a.hooks.UpdateWebhook(ctx, &notifyv1.UpdateWebhookRequest{Webhook: wanted, UpdateMask: mask})
			return "", err
		},
	}}
}
