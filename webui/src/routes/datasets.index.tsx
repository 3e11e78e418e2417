import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { DatasetsPage } from "@/features/datasets/datasets-page";
import { idOf } from "@/lib/names";

export const Route = createFileRoute("/datasets/")({
  component: function Datasets() {
    const navigate = Route.useNavigate();
    return (
      <Allowed permission="records.read">
        <DatasetsPage onCreated={({ name }) => void navigate({ to: "/datasets/$datasetId", params: { datasetId: idOf(name) } })} />
      </Allowed>
    );
  },
});
