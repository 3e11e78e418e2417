import {
  createConnectQueryKey,
  createQueryOptions,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useTransport,
} from "@connectrpc/connect-query";
import type { Transport } from "@connectrpc/connect";
import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { FilesService } from "@/gen/services/files/v1/files_pb";
import type { Event } from "@/gen/events/v1/event_pb";
import { type ListEventsResponse, Run_State, RunsService, type Run } from "@/gen/services/runs/v1/runs_pb";
import { usePollWhileDown, useTopic } from "@/lib/app";
import { idOf } from "@/lib/names";
import { runsTopic, useViewer } from "@/lib/viewer";
import { applyEvent, hasEnded, stateOf } from "./model/fold";

const { getRun, listRuns, listEvents } = RunsService.method;

export const runName = (id: string) => `runs/${id}`;
export const runQuery = (transport: Transport, name: string) => createQueryOptions(getRun, { name }, { transport });

export interface RunFilter {
  state?: string;
  process?: string;
}

export function filterText({ state, process }: RunFilter): string {
  return [state && `state="${state}"`, process && `process="${process}"`].filter(Boolean).join(" AND ");
}

// Runs, newest first, again whenever the organisation's runs change.
export function useRuns(filter: RunFilter) {
  const client = useQueryClient();
  const query = useInfiniteQuery(
    listRuns,
    { filter: filterText(filter), pageSize: 50, pageToken: "" },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
      refetchInterval: usePollWhileDown(),
      placeholderData: (previous) => previous,
    },
  );
  useTopic(runsTopic(useViewer()), {
    hint: () => void client.invalidateQueries({ queryKey: createConnectQueryKey({ schema: listRuns, cardinality: "infinite" }) }),
  });
  return query;
}

// One run, kept current by its own events.
export function useRun(name: string) {
  const client = useQueryClient();
  const transport = useTransport();
  const poll = usePollWhileDown();
  const query = useQuery(getRun, { name }, { refetchInterval: ({ state }) => (isOver(state.data) ? false : poll) });
  const runKey = createConnectQueryKey({ schema: getRun, input: { name }, transport, cardinality: "finite" });
  const journalKey = createConnectQueryKey({ schema: listEvents, transport, cardinality: "finite" });
  const reload = () => {
    void client.invalidateQueries({ queryKey: runKey });
    void client.invalidateQueries({ queryKey: journalKey });
  };
  useTopic(
    query.data && `run:${idOf(name)}`,
    {
      event: (event) => {
        client.setQueryData(runKey, (run) => run && applyEvent(run, event));
        client.setQueriesData<ListEventsResponse>({ queryKey: journalKey, predicate: isJournalOf(name) }, (journal) =>
          append(journal, event, reload),
        );
        // The result is in the row, not in the event; and after the last event no later one would show a hole.
        if (hasEnded(stateOf(event.state) ?? Run_State.RUNNING)) reload();
      },
      reset: reload,
    },
    query.data?.seq,
  );
  return query;
}

const isOver = (run: Run | undefined) => run !== undefined && hasEnded(run.state);

const isJournalOf =
  (run: string) =>
  ({ queryKey }: { queryKey: readonly unknown[] }) =>
    (queryKey[1] as { input?: { run?: string } } | undefined)?.input?.run === run;

// The journal with one more event, each once. A hole means that the two were read at different times: load again.
export function append(journal: ListEventsResponse | undefined, event: Event, reload: () => void): ListEventsResponse | undefined {
  if (!journal || event.seq <= journal.seq) return journal;
  if (event.seq > journal.seq + 1n) {
    reload();
    return journal;
  }
  return { ...journal, seq: event.seq, events: [...journal.events, event] };
}

// The journal after a position. Live events are appended by useRun.
export function useJournal(run: string, after: bigint) {
  return useQuery(listEvents, { run, after, pageSize: 1000 }, { staleTime: Infinity, refetchInterval: usePollWhileDown() });
}

// Pause, resume, cancel and retry. The first three change the run in place; retry answers with a new one.
export function useSteering(name: string) {
  const client = useQueryClient();
  const transport = useTransport();
  const keep = useCallback(
    (run: Run) => {
      const key = createConnectQueryKey({ schema: getRun, input: { name: run.name }, transport, cardinality: "finite" });
      client.setQueryData(key, (known) => (known && known.seq > run.seq ? known : run));
    },
    [client, transport],
  );
  const pause = useMutation(RunsService.method.pauseRun, { onSuccess: keep });
  const resume = useMutation(RunsService.method.resumeRun, { onSuccess: keep });
  const cancel = useMutation(RunsService.method.cancelRun, { onSuccess: keep });
  const retry = useMutation(RunsService.method.retryRun);
  return {
    pause: (reason: string) => pause.mutateAsync({ name, reason }),
    resume: (reason: string) => resume.mutateAsync({ name, reason }),
    cancel: (reason: string) => cancel.mutateAsync({ name, reason }),
    retry: (reason: string) => retry.mutateAsync({ name, reason }),
  };
}

export const useDownload = () => useMutation(FilesService.method.createDownload);
