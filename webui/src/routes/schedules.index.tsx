import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { CreateSchedule } from "@/features/schedules/schedule-form";
import { SchedulesPage } from "@/features/schedules/schedules-page";
import { idOf } from "@/lib/names";

interface SchedulesSearch {
  // The form for a new one, in place of the list.
  create?: true;
  process?: string;
}

export const Route = createFileRoute("/schedules/")({
  validateSearch: (search): SchedulesSearch => ({
    create: search.create === true ? true : undefined,
    process: typeof search.process === "string" && /^\w+$/.test(search.process) ? search.process : undefined,
  }),
  component: function Schedules() {
    const navigate = Route.useNavigate();
    const { create, process } = Route.useSearch();
    return create ? (
      <Allowed permission="runs.write">
        <CreateSchedule
          process={process}
          onSaved={({ name }) => void navigate({ to: "/schedules/$scheduleId", params: { scheduleId: idOf(name) } })}
          onBack={() => void navigate({ search: {} })}
        />
      </Allowed>
    ) : (
      <Allowed permission="runs.read">
        <SchedulesPage onCreate={() => void navigate({ search: { create: true } })} />
      </Allowed>
    );
  },
});
