import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { LoadPage } from "@/features/processes/load-page";

export const Route = createFileRoute("/load")({
  component: () => (
    <Allowed permission="runs.read">
      <LoadPage />
    </Allowed>
  ),
});
