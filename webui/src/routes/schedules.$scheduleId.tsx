import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { scheduleName } from "@/features/schedules/api";
import { EditSchedule } from "@/features/schedules/schedule-form";
import { SchedulePage } from "@/features/schedules/schedule-page";
import { idOf } from "@/lib/names";

export const Route = createFileRoute("/schedules/$scheduleId")({
  validateSearch: (search): { edit?: true } => ({ edit: search.edit === true ? true : undefined }),
  component: function OneSchedule() {
    const navigate = Route.useNavigate();
    const { edit } = Route.useSearch();
    const name = scheduleName(Route.useParams().scheduleId);
    const show = () => void navigate({ search: {} });
    return edit ? (
      <Allowed permission="runs.write">
        <EditSchedule key={name} name={name} onSaved={show} onBack={show} />
      </Allowed>
    ) : (
      <Allowed permission="runs.read">
        <SchedulePage
          key={name}
          name={name}
          onEdit={() => void navigate({ search: { edit: true } })}
          onDeleted={() => void navigate({ to: "/schedules" })}
          onStarted={(run) => void navigate({ to: "/runs/$runId", params: { runId: idOf(run.name) } })}
        />
      </Allowed>
    );
  },
});
