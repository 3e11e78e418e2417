import type { JsonObject } from "@bufbuild/protobuf";
import { createConnectQueryKey, useMutation } from "@connectrpc/connect-query";
import { Box, Button, Collapse, Group, Select, Skeleton, Stack, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { priorities } from "@/components/priority";
import { Failure } from "@/components/ui/states";
import { type Process, type Run, RunsService } from "@/gen/services/runs/v1/runs_pb";
import { problemOf } from "@/lib/errors";
import { idOf } from "@/lib/names";

const SchemaForm = lazy(() => import("./schema-form"));

interface StartFormProps {
  process: Process;
  initial?: JsonObject;
  submit?: string;
  onStarted: (run: Run) => void;
  aside?: ReactNode;
}

// The start form of a process, drawn from its input schema. One form is one run: however often it is sent, its key makes
// the server answer with the same run.
export function StartForm({ process, initial, submit = "Start", onStarted, aside }: StartFormProps) {
  const client = useQueryClient();
  const [idempotencyKey] = useState(() => crypto.randomUUID());
  const [more, setMore] = useState<More>({ key: "", priority: 0 });
  const start = useMutation(RunsService.method.startRun, {
    onSuccess: (run) => {
      void client.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: RunsService.method.listRuns, cardinality: undefined }),
      });
      onStarted(run);
    },
  });
  const problem = start.error ? problemOf(start.error) : undefined;
  return (
    <Suspense
      fallback={
        <Stack gap="md" role="status" aria-label="Loading">
          <Skeleton h={58} />
          <Skeleton h={58} />
        </Stack>
      }
    >
      <SchemaForm
        schema={process.inputSchema ?? { type: "object", properties: {} }}
        initial={initial}
        submit={submit}
        busy={start.isPending}
        faults={problem?.fields}
        onSubmit={(input) => start.mutate({ process: idOf(process.name), input, idempotencyKey, ...more, key: more.key.trim() })}
        aside={aside}
      >
        <MoreFields process={process} value={more} onChange={setMore} faults={problem?.fields ?? {}} />
        {problem && (
          <Box mt="md">
            <Failure title="The run was not started" error={start.error} />
          </Box>
        )}
      </SchemaForm>
    </Suspense>
  );
}

// What every run may have beside its input.
interface More {
  key: string;
  // 0 = the process's own.
  priority: number;
}

interface MoreFieldsProps {
  process: Process;
  value: More;
  onChange: (value: More) => void;
  faults: Record<string, string>;
}

function MoreFields({ process, value, onChange, faults }: MoreFieldsProps) {
  const [opened, { toggle }] = useDisclosure(false);
  const shown = opened || Boolean(faults.key ?? faults.priority);
  return (
    <Box mt="md">
      <Button
        size="compact-sm"
        variant="subtle"
        color="gray"
        leftSection={shown ? <IconChevronDown size={14} /> : <IconChevronRight size={14} />}
        aria-expanded={shown}
        aria-controls="more-fields"
        onClick={toggle}
      >
        Key and priority
      </Button>
      <Collapse expanded={shown} id="more-fields">
        <Group gap="md" mt="xs" grow align="flex-start">
          <TextInput
            label="Business key"
            description={
              process.keyConcurrency > 0
                ? "Runs with the same key wait for each other: an order's number, a customer's id."
                : "To find the run by: an order's number, a customer's id."
            }
            maxLength={200}
            value={value.key}
            onChange={(event) => onChange({ ...value, key: event.currentTarget.value })}
            error={faults.key}
          />
          <Select
            label="Priority"
            description="Who goes first when runs have to wait."
            data={[
              { value: "0", label: "the process's own" },
              ...priorities.map((one) => ({ value: String(one.value), label: `${one.value}: ${one.label}` })),
            ]}
            allowDeselect={false}
            value={String(value.priority)}
            onChange={(priority) => onChange({ ...value, priority: Number(priority) })}
            error={faults.priority}
          />
        </Group>
      </Collapse>
    </Box>
  );
}
