import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { AuditPage } from "@/features/audit/audit-page";

export const Route = createFileRoute("/audit")({
  validateSearch: (search): { filter?: string } => ({
    filter: typeof search.filter === "string" && search.filter ? search.filter : undefined,
  }),
  component: function Audit() {
    const navigate = Route.useNavigate();
    const { filter = "" } = Route.useSearch();
    return (
      <Allowed permission="audit.read">
        <AuditPage filter={filter} onFilter={(text) => void navigate({ search: { filter: text || undefined }, replace: true })} />
      </Allowed>
    );
  },
});
