package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	notifyv1 "github.com/microservicehub/mshub/services/notify/v1"
)

func webhooksCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "webhooks", Short: "Tell other systems what happens: subscriptions, their deliveries, a test"}
	cmd.AddCommand(webhooksListCommand(c), webhooksCreateCommand(c), webhooksUpdateCommand(c), webhooksRotateCommand(c), webhooksDeliveriesCommand(c),
		webhookCommand(c, "show", "WEBHOOK", "Show a webhook", webhookLine, func(ctx context.Context, a *api, name string) (*notifyv1.Webhook, error) {
			return a.hooks.GetWebhook(ctx, &notifyv1.GetWebhookRequest{Name: named("webhooks", name)})
		}),
		webhookCommand(c, "delete", "WEBHOOK", "Delete a webhook with its deliveries", func(io.Writer, *notifyv1.DeleteWebhookResponse) {}, func(ctx context.Context, a *api, name string) (*notifyv1.DeleteWebhookResponse, error) {
			return a.hooks.DeleteWebhook(ctx, &notifyv1.DeleteWebhookRequest{Name: named("webhooks", name)})
		}),
		webhookCommand(c, "test", "WEBHOOK", "Send a ping once, and say how the address answered", deliveryLine, func(ctx context.Context, a *api, name string) (*notifyv1.Delivery, error) {
			return a.hooks.TestWebhook(ctx, &notifyv1.TestWebhookRequest{Name: named("webhooks", name)})
		}),
		webhookCommand(c, "redeliver", "DELIVERY", "Send an ended delivery once more, under the same id", deliveryLine, func(ctx context.Context, a *api, name string) (*notifyv1.Delivery, error) {
			return a.hooks.RedeliverDelivery(ctx, &notifyv1.RedeliverDeliveryRequest{Name: named("webhooks", name)})
		}),
	)
	return cmd
}

// webhookCommand makes a command that needs nothing but a name.
func webhookCommand[T proto.Message](c *cli, use, what, short string, show func(io.Writer, T), do func(ctx context.Context, a *api, name string) (T, error)) *cobra.Command {
	return &cobra.Command{
		Use:   use + " " + what,
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			answer, err := do(cmd.Context(), house, args[0])
			if err != nil {
				return err
			}
			return c.print(answer, func(w io.Writer) { show(w, answer) })
		},
	}
}

func webhooksListCommand(c *cli) *cobra.Command {
	req := &notifyv1.ListWebhooksRequest{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List webhooks",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			list, err := house.hooks.ListWebhooks(cmd.Context(), req)
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				for _, h := range list.GetWebhooks() {
					webhookLine(w, h)
				}
				more(w, list.GetNextPageToken())
			})
		},
	}
	pages(cmd, &req.PageSize, &req.PageToken)
	return cmd
}

func webhooksCreateCommand(c *cli) *cobra.Command {
	hook := &notifyv1.Webhook{}
	cmd := &cobra.Command{
		Use:     "create --title TITLE --url URL --event KIND",
		Short:   "Create a webhook; prints its secret once",
		Example: `  mshub webhooks create --title "Chat" --url https://chat.example.com/hook --event "runs.run.failed" --event "runs.task.*"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			house, err := c.api()
			if err != nil {
				return err
			}
			made, err := house.hooks.CreateWebhook(cmd.Context(), &notifyv1.CreateWebhookRequest{Webhook: hook})
			if err != nil {
				return err
			}
			return c.print(made, func(w io.Writer) { webhookSecret(w, made) })
		},
	}
	cmd.Flags().StringVar(&hook.Title, "title", "", "what people call it")
	cmd.Flags().StringVar(&hook.Url, "url", "", "where events are POSTed")
	cmd.Flags().StringSliceVar(&hook.Events, "event", nil, `a kind of event, or all below a prefix ("runs.run.*"); may be repeated`)
	for _, flag := range []string{"title", "url", "event"} {
		_ = cmd.MarkFlagRequired(flag)
	}
	return cmd
}

func webhooksUpdateCommand(c *cli) *cobra.Command {
	hook := &notifyv1.Webhook{}
	var enable, disable bool
	cmd := &cobra.Command{
		Use:   "update WEBHOOK",
		Short: "Change what is given, leave the rest; --enable, --disable",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			changed := &fieldmaskpb.FieldMask{}
			for flag, path := range map[string]string{"title": "title", "url": "url", "event": "events"} {
				if cmd.Flags().Changed(flag) {
					changed.Paths = append(changed.Paths, path)
				}
			}
			if enable || disable {
				changed.Paths = append(changed.Paths, "state")
				hook.State = notifyv1.Webhook_ENABLED
				if disable {
					hook.State = notifyv1.Webhook_DISABLED
				}
			}
			if len(changed.GetPaths()) == 0 {
				return errors.New("nothing to change: give --title, --url, --event, --enable or --disable")
			}
			house, err := c.api()
			if err != nil {
				return err
			}
			hook.Name = named("webhooks", args[0])
			updated, err := house.hooks.UpdateWebhook(cmd.Context(), &notifyv1.UpdateWebhookRequest{Webhook: hook, UpdateMask: changed})
			if err != nil {
				return err
			}
			return c.print(updated, func(w io.Writer) { webhookLine(w, updated) })
		},
	}
	cmd.Flags().StringVar(&hook.Title, "title", "", "what people call it")
	cmd.Flags().StringVar(&hook.Url, "url", "", "where events are POSTed")
	cmd.Flags().StringSliceVar(&hook.Events, "event", nil, "its events from now on; may be repeated")
	cmd.Flags().BoolVar(&enable, "enable", false, "send again, with a fresh start")
	cmd.Flags().BoolVar(&disable, "disable", false, "send nothing; what happens meanwhile is not sent later")
	cmd.MarkFlagsMutuallyExclusive("enable", "disable")
	return cmd
}

func webhooksRotateCommand(c *cli) *cobra.Command {
	var overlap time.Duration
	cmd := webhookCommand(c, "rotate-secret", "WEBHOOK", "Make a new secret; prints it once", webhookSecret, func(ctx context.Context, a *api, name string) (*notifyv1.CreateWebhookResponse, error) {
		return a.hooks.RotateWebhookSecret(ctx, &notifyv1.RotateWebhookSecretRequest{Name: named("webhooks", name), OverlapSeconds: int64(overlap.Seconds())})
	})
	cmd.Flags().DurationVar(&overlap, "overlap", 24*time.Hour, "how long deliveries carry a signature by the old one, too; 0 = not at all")
	return cmd
}

func webhooksDeliveriesCommand(c *cli) *cobra.Command {
	req := &notifyv1.ListDeliveriesRequest{}
	var state string
	cmd := &cobra.Command{
		Use:   "deliveries WEBHOOK",
		Short: "List what was sent, the newest first",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if state != "" {
				value, ok := notifyv1.Delivery_State_value[strings.ToUpper(state)]
				if !ok || value == 0 {
					return fmt.Errorf("--state: %q is none of pending, delivered, failed", state)
				}
				req.State = notifyv1.Delivery_State(value)
			}
			house, err := c.api()
			if err != nil {
				return err
			}
			req.Parent = named("webhooks", args[0])
			list, err := house.hooks.ListDeliveries(cmd.Context(), req)
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				for _, d := range list.GetDeliveries() {
					deliveryLine(w, d)
				}
				more(w, list.GetNextPageToken())
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only pending, delivered or failed ones")
	pages(cmd, &req.PageSize, &req.PageToken)
	return cmd
}

func webhookSecret(w io.Writer, made *notifyv1.CreateWebhookResponse) {
	webhookLine(w, made.GetWebhook())
	fmt.Fprintf(w, "  secret: %s (shown only now)\n", made.GetSecret())
}

func webhookLine(w io.Writer, h *notifyv1.Webhook) {
	fmt.Fprintf(w, "%s  %s  %s  %s  %s\n", h.GetName(), strings.ToLower(h.GetState().String()), h.GetTitle(), h.GetUrl(), strings.Join(h.GetEvents(), " "))
	if h.GetDisabledReason() != "" {
		fmt.Fprintln(w, "  disabled:", h.GetDisabledReason())
	}
}

func deliveryLine(w io.Writer, d *notifyv1.Delivery) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s\t%s\t%s\t%s\tattempts: %d\tlast: %d in %d ms", d.GetName(), clock(d.GetCreateTime()), d.GetEvent(),
		strings.ToLower(d.GetState().String()), d.GetAttempts(), d.GetLastStatus(), d.GetLatencyMs())
	if d.GetError() != "" {
		fmt.Fprintf(table, "\t%s", d.GetError())
	}
	fmt.Fprintln(table)
	_ = table.Flush()
}
