import { createConnectQueryKey, useInfiniteQuery, useMutation, useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { RunsService } from "@/gen/services/runs/v1/runs_pb";
import { usePollWhileDown } from "@/lib/app";
import { OPEN_TASKS } from "@/lib/inbox";

const { listTasks, getTask, claimTask, releaseTask, delegateTask, decideTask } = RunsService.method;

export const taskName = (id: string) => `tasks/${id}`;

// What the viewer may decide; all that is open; what is over.
export const views = ["mine", "open", "ended"] as const;
export type View = (typeof views)[number];

export interface Inbox {
  view: View;
  // "runs/ID": only the tasks of one run.
  run?: string;
}

export function useTasks({ view, run }: Inbox) {
  const filter = [view === "ended" ? 'state!="OPEN"' : OPEN_TASKS, run && `run="${run}"`].filter(Boolean).join(" AND ");
  return useInfiniteQuery(
    listTasks,
    { filter, mine: view === "mine", pageSize: 50, pageToken: "" },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
      refetchInterval: usePollWhileDown(),
    },
  );
}

// One task that a link names; the list may not hold it.
export const useTask = (name: string, enabled: boolean) => useQuery(getTask, { name }, { enabled });

// Claim, release, delegate, decide. Every outcome renews what is shown: also a refusal means that the task is not what was
// shown.
export function useTaskActions() {
  const client = useQueryClient();
  const onSettled = () =>
    Promise.all([
      client.invalidateQueries({ queryKey: createConnectQueryKey({ schema: listTasks, cardinality: undefined }) }),
      client.invalidateQueries({ queryKey: createConnectQueryKey({ schema: getTask, cardinality: undefined }) }),
    ]);
  return {
    claim: useMutation(claimTask, { onSettled }),
    release: useMutation(releaseTask, { onSettled }),
    delegate: useMutation(delegateTask, { onSettled }),
    decide: useMutation(decideTask, { onSettled }),
  };
}
