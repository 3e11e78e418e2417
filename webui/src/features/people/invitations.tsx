import { Anchor, Button, Stack, Text } from "@mantine/core";
import { IconMailForward } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ColumnDef } from "@tanstack/react-table";
import { useState } from "react";
import { ActionDialog } from "@/components/ui/dialogs";
import { Moment } from "@/components/ui/moment";
import { StateBadge } from "@/components/ui/state";
import { Empty, Loaded } from "@/components/ui/states";
import { DataTable, LoadMore } from "@/components/ui/table";
import { done } from "@/components/ui/toast";
import { type Invitation, Invitation_State } from "@/gen/services/identity/v1/identity_pb";
import { idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { useInvitations, usePeopleActions } from "./api";

export function Invitations() {
  const { can } = useViewer();
  const query = useInvitations();
  const { withdraw } = usePeopleActions();
  const [asked, setAsked] = useState<Invitation>();
  return (
    <>
      <Loaded query={query}>
        {({ pages }) => (
          <DataTable
            label="Invitations"
            rows={pages.flatMap(({ invitations }) => invitations)}
            columns={columns(can("identity.write") ? setAsked : undefined)}
            rowId={({ name }) => idOf(name)}
            minWidth={720}
            footer={<LoadMore query={query} />}
            empty={
              <Empty icon={IconMailForward} title="No invitations">
                Invite a person: a mail with a one-time link goes out, and the invitation is listed here until it is answered.
              </Empty>
            }
          />
        )}
      </Loaded>
      <ActionDialog
        opened={asked !== undefined}
        onClose={() => setAsked(undefined)}
        title={`Withdraw the invitation of ${asked?.displayName ?? ""}?`}
        action="Withdraw"
        color="red"
        run={async () => {
          await withdraw.mutateAsync({ name: asked?.name ?? "" });
          done("The invitation is withdrawn.");
        }}
      >
        The link in the mail stops working.
      </ActionDialog>
    </>
  );
}

function columns(ask: ((invitation: Invitation) => void) | undefined): ColumnDef<Invitation>[] {
  return [
    {
      header: "Person",
      cell: ({ row: { original: invitation } }) => (
        <Stack gap={0}>
          <Text size="sm" fw={550}>
            {invitation.displayName}
          </Text>
          <Text size="xs" c="dimmed">
            {invitation.email}
          </Text>
        </Stack>
      ),
    },
    { header: "State", cell: ({ row: { original } }) => <StateBadge state={Invitation_State[original.state]} /> },
    { header: "Sent", cell: ({ row: { original } }) => <Moment time={original.createTime} /> },
    { header: "Ends", cell: ({ row: { original } }) => <Moment ahead time={original.expireTime} /> },
    {
      header: "Run",
      cell: ({ row: { original } }) =>
        original.run && (
          <Anchor size="sm" renderRoot={(props) => <Link to="/runs/$runId" params={{ runId: idOf(original.run) }} {...props} />}>
            Show the run
          </Anchor>
        ),
    },
    {
      header: "Actions",
      meta: { align: "right", hiddenHeader: true },
      cell: ({ row: { original } }) =>
        ask &&
        original.state === Invitation_State.PENDING && (
          <Button
            size="compact-sm"
            variant="subtle"
            color="red"
            onClick={() => ask(original)}
            aria-label={`Withdraw the invitation of ${original.displayName}`}
          >
            Withdraw
          </Button>
        ),
    },
  ];
}
