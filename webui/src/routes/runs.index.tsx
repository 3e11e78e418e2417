import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { RunsPage } from "@/features/runs/runs-page";

interface RunsSearch {
  state?: string;
  process?: string;
}

const word = (value: unknown) => (typeof value === "string" && /^\w+$/.test(value) ? value : undefined);

export const Route = createFileRoute("/runs/")({
  validateSearch: (search): RunsSearch => ({ state: word(search.state), process: word(search.process) }),
  component: function Runs() {
    const navigate = Route.useNavigate();
    return (
      <Allowed permission="runs.read">
        <RunsPage filter={Route.useSearch()} onFilter={(search) => void navigate({ search, replace: true })} />
      </Allowed>
    );
  },
});
