import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { ProcessesPage } from "@/features/processes/processes-page";

export const Route = createFileRoute("/processes/")({
  component: () => (
    <Allowed permission="runs.read">
      <ProcessesPage />
    </Allowed>
  ),
});
