import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { ClientsPage } from "@/features/clients/clients-page";

export const Route = createFileRoute("/clients")({
  component: () => (
    <Allowed permission="clients.read">
      <ClientsPage />
    </Allowed>
  ),
});
