import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { InboxPage } from "@/features/tasks/inbox-page";

interface InboxSearch {
  scope?: "all";
  state?: "ended";
  run?: string;
  task?: string;
}

export const Route = createFileRoute("/inbox")({
  validateSearch: (search): InboxSearch => ({
    scope: search.scope === "all" ? "all" : undefined,
    state: search.state === "ended" ? "ended" : undefined,
    run: typeof search.run === "string" && /^runs\/[0-9a-f-]+$/.test(search.run) ? search.run : undefined,
    task: typeof search.task === "string" ? search.task : undefined,
  }),
  component: function Tasks() {
    const navigate = Route.useNavigate();
    const { scope = "mine", state = "open", run, task } = Route.useSearch();
    return (
      <Allowed permission="tasks.read">
        <InboxPage
          inbox={{ scope, state, run }}
          taskId={task}
          onInbox={(inbox) =>
            void navigate({
              search: {
                scope: inbox.scope === "all" ? "all" : undefined,
                state: inbox.state === "ended" ? "ended" : undefined,
                run: inbox.run,
              },
              replace: true,
            })
          }
          onTask={(id) => void navigate({ search: (search) => ({ ...search, task: id }), replace: true })}
        />
      </Allowed>
    );
  },
});
