import { Select, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { ActionDialog } from "@/components/ui/dialogs";
import { done } from "@/components/ui/toast";
import type { Task } from "@/gen/services/runs/v1/runs_pb";
import { usePeople, useRoles } from "@/lib/catalogue";
import { useViewer } from "@/lib/viewer";
import { useTaskActions } from "./api";

// Gives a task to another person, or to everyone with a role. Whoever may not list people types the name.
export function DelegateDialog({ task, onClose }: { task: Task; onClose: () => void }) {
  const { user, can } = useViewer();
  const people = usePeople();
  const roles = useRoles();
  const { delegate } = useTaskActions();
  const [assignee, setAssignee] = useState("");
  const common = { label: "To", required: true, value: assignee };
  return (
    <ActionDialog
      opened
      onClose={onClose}
      title="Delegate this task"
      action="Delegate"
      reason="optional"
      shownIn="the audit trail"
      incomplete={assignee.trim() === ""}
      run={async (reason) => {
        await delegate.mutateAsync({ name: task.name, assignee: assignee.trim(), reason });
        done("The task is in other hands.");
      }}
    >
      {(faults) => (
        <Stack gap="md">
          <Text size="sm">They find it in their inbox. It can then be decided by them, and by administrators.</Text>
          {can("identity.read") ? (
            <Select
              {...common}
              searchable
              openOnFocus={false}
              placeholder="A person or a role"
              nothingFoundMessage="Nobody of that name"
              onChange={(name) => setAssignee(name ?? "")}
              error={faults.assignee}
              data={[
                {
                  group: "People",
                  items: (people.data?.users ?? [])
                    .filter(({ name }) => name !== user?.name)
                    .map(({ name, displayName, email }) => ({ value: name, label: `${displayName} · ${email}` })),
                },
                {
                  group: "Everyone with a role",
                  items: (roles.data?.roles ?? []).map(({ name, title }) => ({ value: name, label: title })),
                },
              ]}
            />
          ) : (
            <TextInput
              {...common}
              description="roles/NAME or users/ID"
              onChange={(event) => setAssignee(event.currentTarget.value)}
              error={faults.assignee}
            />
          )}
        </Stack>
      )}
    </ActionDialog>
  );
}
