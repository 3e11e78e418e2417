import { useQuery } from "@connectrpc/connect-query";
import { Button, Modal, Tabs } from "@mantine/core";
import { IconUserPlus } from "@tabler/icons-react";
import { useState } from "react";
import { StartForm } from "@/components/forms/start-form";
import { Page } from "@/components/ui/page";
import { Loaded } from "@/components/ui/states";
import { type Run, RunsService } from "@/gen/services/runs/v1/runs_pb";
import { useViewer } from "@/lib/viewer";
import { Invitations } from "./invitations";
import { Roles } from "./roles";
import { Users } from "./users";

export const peopleTabs = ["users", "invitations", "roles"] as const;
export type PeopleTab = (typeof peopleTabs)[number];

interface PeoplePageProps {
  tab: PeopleTab;
  onTab: (tab: PeopleTab) => void;
  onInvited: (run: Run) => void;
}

export function PeoplePage({ tab, onTab, onInvited }: PeoplePageProps) {
  const { can } = useViewer();
  const [inviting, setInviting] = useState(false);
  return (
    <Page
      title="People"
      subtitle="Who belongs to this organisation, and what they may do."
      actions={
        can("identity.write") &&
        can("runs.write") && (
          <Button leftSection={<IconUserPlus size={16} />} onClick={() => setInviting(true)}>
            Invite a person
          </Button>
        )
      }
    >
      <Tabs value={tab} onChange={(value) => onTab(value as PeopleTab)} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="users">People</Tabs.Tab>
          <Tabs.Tab value="invitations">Invitations</Tabs.Tab>
          <Tabs.Tab value="roles">Roles</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="users">
          <Users />
        </Tabs.Panel>
        <Tabs.Panel value="invitations">
          <Invitations />
        </Tabs.Panel>
        <Tabs.Panel value="roles">
          <Roles />
        </Tabs.Panel>
      </Tabs>
      <Modal opened={inviting} onClose={() => setInviting(false)} title="Invite a person" size="lg">
        <Invite onInvited={onInvited} />
      </Modal>
    </Page>
  );
}

// An invitation is a run of `onboarding`: mail, acceptance, approval, membership, or all of it undone.
function Invite({ onInvited }: { onInvited: (run: Run) => void }) {
  const query = useQuery(RunsService.method.getProcess, { name: "processes/onboarding" });
  return (
    <Loaded query={query}>{(process) => <StartForm process={process} submit="Send the invitation" onStarted={onInvited} />}</Loaded>
  );
}
