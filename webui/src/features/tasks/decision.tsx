import type { JsonObject } from "@bufbuild/protobuf";
import { Box, Button, Group, Skeleton, Stack, Textarea } from "@mantine/core";
import { lazy, Suspense, useState } from "react";
import { Failure } from "@/components/ui/states";
import { done } from "@/components/ui/toast";
import { type Task, Task_Decision, Task_State } from "@/gen/services/runs/v1/runs_pb";
import { objectOf } from "@/lib/columns";
import { problemOf } from "@/lib/errors";
import { useTaskActions } from "./api";
import { labelsOf } from "./outcome";

const SchemaForm = lazy(() => import("@/components/forms/schema-form"));

// Approve, or reject with a reason, under the names that the process gives to the two; with the task's own form, if it has
// one. The version says what the person saw.
export function Decision({ task }: { task: Task }) {
  const { decide } = useTaskActions();
  const [reason, setReason] = useState("");
  const [form, setForm] = useState<JsonObject>();
  const [missing, setMissing] = useState(false);
  const [pending, setPending] = useState<Task_Decision>();
  const problem = decide.error ? problemOf(decide.error) : undefined;
  const { approve, reject } = labelsOf(task);
  const hasForm = Object.keys(objectOf(task.formSchema?.properties)).length > 0;
  const send = (decision: Task_Decision, filled: JsonObject | undefined) => {
    const rejecting = decision === Task_Decision.REJECT;
    setMissing(rejecting && reason.trim() === "");
    if (rejecting && reason.trim() === "") return;
    setPending(decision);
    decide.mutate(
      { name: task.name, decision, reason: reason.trim(), form: filled, version: task.version },
      {
        onSuccess: ({ state }) =>
          done(state === Task_State.OPEN ? "Your vote counts; others must still approve." : "Decided. The run has been told."),
      },
    );
  };
  const reasonBox = (
    <Stack gap="md">
      <Textarea
        label="Reason"
        description={`Needed for “${reject}”; the person concerned may be shown it.`}
        autosize
        minRows={2}
        maxLength={2000}
        value={reason}
        onChange={(event) => {
          setReason(event.currentTarget.value);
          setMissing(false);
        }}
        error={missing ? `Say why: “${reject}” needs a reason.` : problem?.fields.reason}
      />
      {problem && <Failure title="Your decision was not taken" error={decide.error} />}
    </Stack>
  );
  const rejectButton = (
    <Button
      variant="light"
      color="red"
      loading={decide.isPending && pending === Task_Decision.REJECT}
      onClick={() => send(Task_Decision.REJECT, form)}
    >
      {reject}
    </Button>
  );
  if (hasForm && task.formSchema)
    return (
      <Suspense fallback={<Skeleton h={120} />}>
        <SchemaForm
          schema={task.formSchema}
          submit={approve}
          submitColor="teal"
          busy={decide.isPending && pending === Task_Decision.APPROVE}
          faults={problem?.fields}
          onChange={setForm}
          onSubmit={(filled) => send(Task_Decision.APPROVE, filled)}
          aside={rejectButton}
        >
          <Box mt="md">{reasonBox}</Box>
        </SchemaForm>
      </Suspense>
    );
  return (
    <Stack gap="md">
      {reasonBox}
      <Group gap="sm">
        <Button
          color="teal"
          loading={decide.isPending && pending === Task_Decision.APPROVE}
          onClick={() => send(Task_Decision.APPROVE, undefined)}
        >
          {approve}
        </Button>
        {rejectButton}
      </Group>
    </Stack>
  );
}
