import { ActionIcon, Badge, Button, Group, Menu, Modal, MultiSelect, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconDots, IconSearch, IconShield, IconUserCheck, IconUserOff, IconUsers } from "@tabler/icons-react";
import type { ColumnDef } from "@tanstack/react-table";
import { useState } from "react";
import { ActionDialog } from "@/components/ui/dialogs";
import { useFocusReturn } from "@/components/ui/focus";
import { Moment } from "@/components/ui/moment";
import { StateBadge } from "@/components/ui/state";
import { Empty, Failure, Loaded } from "@/components/ui/states";
import { DataTable, LoadMore } from "@/components/ui/table";
import { done } from "@/components/ui/toast";
import { type User, User_State } from "@/gen/services/identity/v1/identity_pb";
import { useRoles } from "@/lib/catalogue";
import { idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { usePeopleActions, useUsers } from "./api";

type Asked = { what: "roles" | "disable" | "enable"; user: User };

export function Users() {
  const { can } = useViewer();
  const [search, setSearch] = useState("");
  const [state, setState] = useState("");
  const [debounced] = useDebouncedValue(search.trim(), 250);
  const [asked, setAsked] = useState<Asked>();
  const { disable, enable } = usePeopleActions();
  const query = useUsers({ search: debounced, state });
  const close = () => setAsked(undefined);
  return (
    <Stack gap="md">
      <Group gap="sm">
        <TextInput
          w={280}
          aria-label="Search people"
          placeholder="Name or e-mail"
          leftSection={<IconSearch size={16} />}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
        <Select
          aria-label="State"
          placeholder="Any state"
          clearable
          w={160}
          value={state || null}
          onChange={(value) => setState(value ?? "")}
          data={[
            { value: "ACTIVE", label: "Active" },
            { value: "INVITED", label: "Invited" },
            { value: "DISABLED", label: "Disabled" },
          ]}
        />
      </Group>
      <Loaded query={query}>
        {({ pages }) => (
          <DataTable
            label="People"
            rows={pages.flatMap(({ users }) => users)}
            columns={columns(can("identity.write") ? setAsked : undefined)}
            rowId={({ name }) => idOf(name)}
            minWidth={760}
            dimmed={query.isPlaceholderData}
            footer={<LoadMore query={query} />}
            empty={<Empty icon={IconUsers} title="Nobody fits this search" />}
          />
        )}
      </Loaded>
      {asked?.what === "roles" && <RolesDialog user={asked.user} onClose={close} />}
      <ActionDialog
        opened={asked?.what === "disable"}
        onClose={close}
        title={`Disable ${asked?.user.displayName ?? ""}?`}
        action="Disable"
        color="red"
        reason="optional"
        run={async (reason) => {
          await disable.mutateAsync({ name: asked?.user.name ?? "", reason });
          done(`${asked?.user.displayName ?? ""} is disabled.`);
        }}
      >
        The person can't sign in any more; tokens and open pages end within seconds. Nothing is deleted.
      </ActionDialog>
      <ActionDialog
        opened={asked?.what === "enable"}
        onClose={close}
        title={`Enable ${asked?.user.displayName ?? ""}?`}
        action="Enable"
        run={async () => {
          await enable.mutateAsync({ name: asked?.user.name ?? "" });
          done(`${asked?.user.displayName ?? ""} can sign in again.`);
        }}
      >
        The person can sign in again with the same roles.
      </ActionDialog>
    </Stack>
  );
}

function columns(ask: ((asked: Asked) => void) | undefined): ColumnDef<User>[] {
  return [
    {
      header: "Person",
      cell: ({ row: { original: user } }) => (
        <Stack gap={0}>
          <Text size="sm" fw={550}>
            {user.displayName}
          </Text>
          <Text size="xs" c="dimmed">
            {user.email}
            {!user.emailVerified && " · not verified"}
          </Text>
        </Stack>
      ),
    },
    { header: "State", cell: ({ row: { original: user } }) => <StateBadge state={User_State[user.state]} /> },
    {
      header: "Roles",
      cell: ({ row: { original: user } }) => (
        <Group gap={4}>
          {user.roles.map((role) => (
            <Badge key={role} color="gray">
              {idOf(role)}
            </Badge>
          ))}
        </Group>
      ),
    },
    { header: "Last sign-in", cell: ({ row: { original: user } }) => <Moment time={user.signInTime} none="never" /> },
    { header: "Since", cell: ({ row: { original: user } }) => <Moment time={user.createTime} /> },
    ...(ask
      ? [
          {
            header: "Actions",
            meta: { align: "right", width: 60, hiddenHeader: true },
            cell: ({ row: { original: user } }) => (
              <Menu position="bottom-end">
                <Menu.Target>
                  <ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${user.displayName}`}>
                    <IconDots size={18} />
                  </ActionIcon>
                </Menu.Target>
                <Menu.Dropdown>
                  <Menu.Item leftSection={<IconShield size={16} />} onClick={() => ask({ what: "roles", user })}>
                    Change roles
                  </Menu.Item>
                  {user.state === User_State.DISABLED ? (
                    <Menu.Item leftSection={<IconUserCheck size={16} />} onClick={() => ask({ what: "enable", user })}>
                      Enable
                    </Menu.Item>
                  ) : (
                    <Menu.Item color="red" leftSection={<IconUserOff size={16} />} onClick={() => ask({ what: "disable", user })}>
                      Disable
                    </Menu.Item>
                  )}
                </Menu.Dropdown>
              </Menu>
            ),
          } satisfies ColumnDef<User>,
        ]
      : []),
  ];
}

function RolesDialog({ user, onClose }: { user: User; onClose: () => void }) {
  useFocusReturn();
  const { data } = useRoles();
  const { update } = usePeopleActions();
  const [roles, setRoles] = useState(user.roles.map(idOf));
  return (
    <Modal opened onClose={onClose} title={`Roles of ${user.displayName}`}>
      <Stack gap="md">
        <MultiSelect
          label="Roles"
          description="What the person may do is the sum of all of them. It takes effect within seconds."
          data={(data?.roles ?? []).map(({ name, title }) => ({ value: idOf(name), label: title }))}
          value={roles}
          onChange={setRoles}
          searchable
          openOnFocus={false}
          data-autofocus
        />
        {update.error && <Failure title="The roles were not changed" error={update.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Back
          </Button>
          <Button
            loading={update.isPending}
            disabled={roles.length === 0}
            onClick={() =>
              update.mutate(
                { user: { name: user.name, roles }, updateMask: { paths: ["roles"] } },
                {
                  onSuccess: () => {
                    done(`${user.displayName} has new roles.`);
                    onClose();
                  },
                },
              )
            }
          >
            Save
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
