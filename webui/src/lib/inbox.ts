import { createConnectQueryKey, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { RunsService } from "@/gen/services/runs/v1/runs_pb";
import { usePollWhileDown, useTopic } from "./app";
import { inboxTopic, useViewer } from "./viewer";

export const OPEN_TASKS = 'state="OPEN"';

// How many tasks wait for the viewer; 100 means 100 or more. Used once, by the shell: it also renews every list of
// tasks when the inbox changes.
export function useOpenTaskCount(): number {
  const viewer = useViewer();
  const client = useQueryClient();
  useTopic(inboxTopic(viewer), {
    hint: () =>
      void client.invalidateQueries({
        queryKey: createConnectQueryKey({ schema: RunsService.method.listTasks, cardinality: undefined }),
      }),
  });
  const { data } = useQuery(
    RunsService.method.listTasks,
    { filter: OPEN_TASKS, mine: true, pageSize: 100 },
    { enabled: viewer.can("tasks.read"), refetchInterval: usePollWhileDown() },
  );
  return data?.tasks.length ?? 0;
}
