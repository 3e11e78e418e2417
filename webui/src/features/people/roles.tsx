import { ActionIcon, Badge, Button, Code, Group, Modal, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import type { ColumnDef } from "@tanstack/react-table";
import { useState } from "react";
import { ActionDialog } from "@/components/ui/dialogs";
import { Failure, Loaded } from "@/components/ui/states";
import { DataTable } from "@/components/ui/table";
import { done } from "@/components/ui/toast";
import type { Role } from "@/gen/services/identity/v1/identity_pb";
import { useRoles } from "@/lib/catalogue";
import { problemOf } from "@/lib/errors";
import { idOf } from "@/lib/names";
import { permissions } from "@/lib/rules";
import { useViewer } from "@/lib/viewer";
import { usePeopleActions } from "./api";

// What a role can hold: each permission of the doors, and all of a room at once.
const choices = [...permissions, ...new Set(permissions.map((permission) => permission.replace(/\..*/, ".*")))].sort();

export function Roles() {
  const { can } = useViewer();
  const query = useRoles();
  const { deleteRole } = usePeopleActions();
  const [creating, setCreating] = useState(false);
  const [asked, setAsked] = useState<Role>();
  const writable = can("identity.write");
  return (
    <Stack gap="md">
      {writable && (
        <Group>
          <Button variant="default" leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
            New role
          </Button>
        </Group>
      )}
      <Loaded query={query}>
        {({ roles }) => (
          <DataTable
            label="Roles"
            rows={roles}
            columns={columns(writable ? setAsked : undefined)}
            rowId={({ name }) => idOf(name)}
          />
        )}
      </Loaded>
      <Modal opened={creating} onClose={() => setCreating(false)} title="New role">
        <CreateRole onDone={() => setCreating(false)} />
      </Modal>
      <ActionDialog
        opened={asked !== undefined}
        onClose={() => setAsked(undefined)}
        title={`Delete the role ${asked?.title ?? ""}?`}
        action="Delete role"
        color="red"
        run={async () => {
          await deleteRole.mutateAsync({ name: asked?.name ?? "" });
          done("The role is deleted.");
        }}
      >
        Whoever has it loses what it allows.
      </ActionDialog>
    </Stack>
  );
}

function columns(ask: ((role: Role) => void) | undefined): ColumnDef<Role>[] {
  return [
    {
      header: "Role",
      cell: ({ row: { original: role } }) => (
        <Group gap={8}>
          <Text size="sm" fw={550}>
            {role.title}
          </Text>
          <Code>{idOf(role.name)}</Code>
          {role.builtin && <Badge color="gray">built in</Badge>}
        </Group>
      ),
    },
    {
      header: "May",
      cell: ({ row: { original: role } }) => (
        <Group gap={4}>
          {role.permissions.map((permission) => (
            <Badge key={permission} variant="default" fw={450}>
              {permission === "*" ? "everything" : permission}
            </Badge>
          ))}
        </Group>
      ),
    },
    {
      header: "Actions",
      meta: { align: "right", hiddenHeader: true, width: 60 },
      cell: ({ row: { original: role } }) =>
        ask &&
        !role.builtin && (
          <ActionIcon variant="subtle" color="red" aria-label={`Delete the role ${role.title}`} onClick={() => ask(role)}>
            <IconTrash size={16} />
          </ActionIcon>
        ),
    },
  ];
}

function CreateRole({ onDone }: { onDone: () => void }) {
  const { createRole } = usePeopleActions();
  const [id, setId] = useState("");
  const [title, setTitle] = useState("");
  const [held, setHeld] = useState<string[]>([]);
  const faults = createRole.error ? problemOf(createRole.error).fields : {};
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        createRole.mutate({ roleId: id, role: { title, permissions: held } }, { onSuccess: onDone });
      }}
    >
      <Stack gap="md">
        <TextInput
          label="Title"
          required
          value={title}
          onChange={(event) => setTitle(event.currentTarget.value)}
          error={faults["role.title"]}
          data-autofocus
        />
        <TextInput
          label="Name"
          description="Lower-case letters, digits and hyphens."
          required
          value={id}
          onChange={(event) => setId(event.currentTarget.value)}
          error={faults.roleId}
        />
        <TagsInput label="Permissions" data={choices} value={held} onChange={setHeld} error={faults["role.permissions"]} />
        {createRole.error && <Failure title="The role was not created" error={createRole.error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={createRole.isPending} disabled={!id || !title || held.length === 0}>
            Create role
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
