import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { runName, runQuery } from "@/features/runs/api";
import { RunPage } from "@/features/runs/run-page";
import { idOf } from "@/lib/names";

export const Route = createFileRoute("/runs/$runId")({
  loader: ({ context: { queryClient, transport }, params: { runId } }) => {
    // Not awaited: the page shows its own loading and error states.
    queryClient.query(runQuery(transport, runName(runId))).catch(() => undefined);
  },
  component: function Run() {
    const navigate = Route.useNavigate();
    return (
      <Allowed permission="runs.read">
        <RunPage
          name={runName(Route.useParams().runId)}
          onStarted={({ name }) => void navigate({ params: { runId: idOf(name) } })}
        />
      </Allowed>
    );
  },
});
