import type { JsonObject } from "@bufbuild/protobuf";
import { createConnectQueryKey, useMutation } from "@connectrpc/connect-query";
import { Box, Skeleton, Stack } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useState } from "react";
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
  const [key] = useState(() => crypto.randomUUID());
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
        onSubmit={(input) => start.mutate({ process: idOf(process.name), input, idempotencyKey: key })}
        aside={aside}
      >
        {problem && (
          <Box mt="md">
            <Failure title="The run was not started" error={start.error} />
          </Box>
        )}
      </SchemaForm>
    </Suspense>
  );
}
