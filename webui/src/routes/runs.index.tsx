import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { filterOf, type RunFilter } from "@/features/runs/model/filter";
import { RunsPage } from "@/features/runs/runs-page";
import { idOf } from "@/lib/names";

export const Route = createFileRoute("/runs/")({
  validateSearch: (search): RunFilter => filterOf(search),
  component: function Runs() {
    const navigate = Route.useNavigate();
    return (
      <Allowed permission="runs.read">
        <RunsPage
          filter={Route.useSearch()}
          onFilter={(search) => void navigate({ search, replace: true })}
          onBulk={({ name }) => void navigate({ to: "/runs/$runId", params: { runId: idOf(name) } })}
        />
      </Allowed>
    );
  },
});
