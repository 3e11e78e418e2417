import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { datasetName, datasetQuery } from "@/features/datasets/api";
import { DatasetPage, type View } from "@/features/datasets/dataset-page";
import { idOf } from "@/lib/names";

export const Route = createFileRoute("/datasets/$datasetId")({
  validateSearch: (search): View => ({
    filter: typeof search.filter === "string" && search.filter ? search.filter : undefined,
    order: typeof search.order === "string" && search.order ? search.order : undefined,
  }),
  loader: ({ context: { queryClient, transport }, params: { datasetId } }) => {
    // Not awaited: the page shows its own loading and error states.
    queryClient.query(datasetQuery(transport, datasetName(datasetId))).catch(() => undefined);
  },
  component: function Dataset() {
    const navigate = Route.useNavigate();
    return (
      <Allowed permission="records.read">
        <DatasetPage
          name={datasetName(Route.useParams().datasetId)}
          view={Route.useSearch()}
          onView={(search) => void navigate({ search, replace: true })}
          onDeleted={() => void navigate({ to: "/datasets" })}
          onStarted={(run) => void navigate({ to: "/runs/$runId", params: { runId: idOf(run.name) } })}
        />
      </Allowed>
    );
  },
});
