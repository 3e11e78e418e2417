import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { MessagesPage } from "@/features/messages/messages-page";

export const Route = createFileRoute("/messages")({
  component: () => (
    <Allowed permission="notify.read">
      <MessagesPage />
    </Allowed>
  ),
});
