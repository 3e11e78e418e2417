import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { StartPage } from "@/features/processes/start-page";
import { idOf } from "@/lib/names";

export const Route = createFileRoute("/processes/$process")({
  component: function Start() {
    const navigate = Route.useNavigate();
    const { process } = Route.useParams();
    return (
      <Allowed permission="runs.read">
        <StartPage
          key={process}
          name={`processes/${process}`}
          onStarted={({ name }) => void navigate({ to: "/runs/$runId", params: { runId: idOf(name) } })}
        />
      </Allowed>
    );
  },
});
