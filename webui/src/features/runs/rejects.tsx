import { createConnectQueryKey, useInfiniteQuery, useMutation } from "@connectrpc/connect-query";
import { Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { IconFileImport } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Empty, Failure, Loading } from "@/components/ui/states";
import { LoadMore } from "@/components/ui/table";
import { RecordsService, Reject_State } from "@/gen/services/records/v1/records_pb";
import { type Run, RunsService } from "@/gen/services/runs/v1/runs_pb";
import { idOf } from "@/lib/names";
import { useViewer } from "@/lib/viewer";
import { RejectRow } from "./reject-row";

const { listRejects, updateReject } = RecordsService.method;

interface RejectsProps {
  run: Run;
  // The result counts some. An import without result may have kept some as well.
  expected: boolean;
  onStarted: (run: Run) => void;
}

// The rows that an import refused: look, correct, and import them again.
export function Rejects({ run, expected, onStarted }: RejectsProps) {
  const { can } = useViewer();
  const client = useQueryClient();
  const query = useInfiniteQuery(
    listRejects,
    { parent: `imports/${idOf(run.name)}`, pageSize: 50, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined },
  );
  const save = useMutation(updateReject, {
    onSuccess: () =>
      client.invalidateQueries({ queryKey: createConnectQueryKey({ schema: listRejects, cardinality: "infinite" }) }),
  });
  const rejects = query.data?.pages.flatMap((page) => page.rejects) ?? [];
  const left = rejects.some(({ state }) => state !== Reject_State.REPLAYED);
  if (!expected && rejects.length === 0) return null;
  return (
    <Paper component="section" aria-labelledby="rejects" style={{ overflow: "hidden" }} data-testid="rejects">
      <Group justify="space-between" p="md" align="flex-start">
        <Stack gap={2}>
          <Title order={2} id="rejects">
            Rejected rows
          </Title>
          <Text size="sm" c="dimmed">
            Correct the cells here, then import the rows again. What is still wrong is rejected again.
          </Text>
        </Stack>
        {can("runs.write") && can("records.write") && <ImportAgain run={run} disabled={!left} onStarted={onStarted} />}
      </Group>
      {!query.data && (query.error ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Loading rows={4} />)}
      {query.data && rejects.length === 0 && (
        <Empty title="None is kept any more">The file of rejected rows may still be there for download.</Empty>
      )}
      <Stack component="ul" gap={0} m={0} p={0} style={{ listStyle: "none" }}>
        {rejects.map((reject) => (
          <RejectRow
            key={reject.name}
            reject={reject}
            editable={can("records.write")}
            onSave={(cells) => save.mutateAsync({ reject: { name: reject.name, cells } })}
          />
        ))}
      </Stack>
      <LoadMore query={query} />
    </Paper>
  );
}

// One visit is one run, however often the button is pressed; corrections made later are another one.
function ImportAgain({ run, disabled, onStarted }: { run: Run; disabled: boolean; onStarted: (run: Run) => void }) {
  const [key] = useState(() => crypto.randomUUID());
  const start = useMutation(RunsService.method.startRun, { onSuccess: onStarted });
  return (
    <Stack gap="xs" align="flex-end">
      <Button
        leftSection={<IconFileImport size={16} />}
        disabled={disabled}
        loading={start.isPending}
        onClick={() =>
          start.mutate({
            process: run.process,
            // Dataset, mode and format are those of the first import.
            input: { rejectsOf: run.name },
            idempotencyKey: key,
          })
        }
      >
        Import these rows again
      </Button>
      {start.error && <Failure title="The import was not started" error={start.error} />}
    </Stack>
  );
}
