import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { ImportWizard } from "@/features/datasets/import/wizard";
import { DATASET_ID } from "@/lib/columns";
import { idOf } from "@/lib/names";

export const Route = createFileRoute("/import")({
  validateSearch: (search): { dataset?: string } => ({
    dataset: typeof search.dataset === "string" && DATASET_ID.test(search.dataset) ? search.dataset : undefined,
  }),
  component: function Import() {
    const navigate = Route.useNavigate();
    return (
      <Allowed permission="files.write">
        <ImportWizard
          datasetId={Route.useSearch().dataset}
          onStarted={({ name }) => void navigate({ to: "/runs/$runId", params: { runId: idOf(name) } })}
        />
      </Allowed>
    );
  },
});
