import { createConnectQueryKey, useInfiniteQuery, useMutation } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { RunsService } from "@/gen/services/runs/v1/runs_pb";
import { usePollWhileDown } from "@/lib/app";
import { OPEN_TASKS } from "@/lib/inbox";

const { listTasks, claimTask, releaseTask, decideTask } = RunsService.method;

export interface Inbox {
  // "mine": what the viewer may decide.
  scope: "mine" | "all";
  state: "open" | "ended";
  // "runs/ID": only the tasks of one run.
  run?: string;
}

export function useTasks({ scope, state, run }: Inbox) {
  const filter = [state === "open" ? OPEN_TASKS : 'state!="OPEN"', run && `run="${run}"`].filter(Boolean).join(" AND ");
  return useInfiniteQuery(
    listTasks,
    // `mine` means "may decide now", which nobody may once it is over.
    { filter, mine: state === "open" && scope === "mine", pageSize: 50, pageToken: "" },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
      refetchInterval: usePollWhileDown(),
    },
  );
}

// Claim, release, decide. Every outcome renews the lists: also a refusal means that the task is not what was shown.
export function useTaskActions() {
  const client = useQueryClient();
  const onSettled = () =>
    client.invalidateQueries({ queryKey: createConnectQueryKey({ schema: listTasks, cardinality: undefined }) });
  return {
    claim: useMutation(claimTask, { onSettled }),
    release: useMutation(releaseTask, { onSettled }),
    decide: useMutation(decideTask, { onSettled }),
  };
}
