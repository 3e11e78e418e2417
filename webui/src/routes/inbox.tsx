import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { type View, views } from "@/features/tasks/api";
import { InboxPage } from "@/features/tasks/inbox-page";

interface InboxSearch {
  view?: View;
  run?: string;
  task?: string;
}

export const Route = createFileRoute("/inbox")({
  validateSearch: (search): InboxSearch => ({
    view: views.find((view) => view === search.view),
    run: typeof search.run === "string" && /^runs\/[0-9a-f-]+$/.test(search.run) ? search.run : undefined,
    task: typeof search.task === "string" && /^[\w-]+$/.test(search.task) ? search.task : undefined,
  }),
  component: function Tasks() {
    const navigate = Route.useNavigate();
    const { view = "mine", run, task } = Route.useSearch();
    return (
      <Allowed permission="tasks.read">
        <InboxPage
          inbox={{ view, run }}
          taskId={task}
          onInbox={(inbox) =>
            void navigate({ search: { view: inbox.view === "mine" ? undefined : inbox.view, run: inbox.run }, replace: true })
          }
          onTask={(id) => void navigate({ search: (search) => ({ ...search, task: id }), replace: true })}
        />
      </Allowed>
    );
  },
});
