import { createFileRoute } from "@tanstack/react-router";
import { Allowed } from "@/components/shell/fallbacks";
import { PeoplePage, type PeopleTab, peopleTabs } from "@/features/people/people-page";
import { idOf } from "@/lib/names";

export const Route = createFileRoute("/people")({
  validateSearch: (search): { tab?: PeopleTab } => ({ tab: peopleTabs.find((tab) => tab === search.tab) }),
  component: function People() {
    const navigate = Route.useNavigate();
    return (
      <Allowed permission="identity.read">
        <PeoplePage
          tab={Route.useSearch().tab ?? "users"}
          onTab={(tab) => void navigate({ search: { tab: tab === "users" ? undefined : tab }, replace: true })}
          onInvited={({ name }) => void navigate({ to: "/runs/$runId", params: { runId: idOf(name) } })}
        />
      </Allowed>
    );
  },
});
