import { createConnectQueryKey, createQueryOptions, useInfiniteQuery, useQuery, useTransport } from "@connectrpc/connect-query";
import type { Transport } from "@connectrpc/connect";
import { useDebouncedCallback } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import type { Event } from "@/gen/events/v1/event_pb";
import { type ListEventsResponse, Run_State, RunsService, type Run } from "@/gen/services/runs/v1/runs_pb";
import { usePollWhileDown, useTopic } from "@/lib/app";
import { idOf } from "@/lib/names";
import { POLL_INTERVAL } from "@/lib/query";
import { runsTopic, useViewer } from "@/lib/viewer";
import { type RunFilter, filterText } from "./model/filter";
import { applyEvent, changesCommands, hasEnded, newer, stateOf } from "./model/fold";

const { getRun, listRuns, listEvents } = RunsService.method;

// So long after an event the run is read again for what events don't say; one question for many events at once.
const SETTLE = 250;

export const runName = (id: string) => `runs/${id}`;
export const runQuery = (transport: Transport, name: string) => createQueryOptions(getRun, { name }, { transport });

// Runs, newest first, again whenever the organisation's runs change.
export function useRuns(filter: RunFilter) {
  const client = useQueryClient();
  const query = useInfiniteQuery(
    listRuns,
    { filter: filterText(filter), search: filter.search, pageSize: 50, pageToken: "" },
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
  const query = useQuery(
    getRun,
    { name },
    {
      // Its place in the queue changes by what other runs do.
      refetchInterval: ({ state: { data } }) => (isOver(data) ? false : data?.state === Run_State.QUEUED ? POLL_INTERVAL : poll),
      structuralSharing: (known, read) => newer(known as Run | undefined, read as Run),
    },
  );
  const runKey = createConnectQueryKey({ schema: getRun, input: { name }, transport, cardinality: "finite" });
  const journalKey = createConnectQueryKey({ schema: listEvents, transport, cardinality: "finite" });
  const reload = () => {
    void client.invalidateQueries({ queryKey: runKey });
    void client.invalidateQueries({ queryKey: journalKey });
  };
  const readAgain = useDebouncedCallback(() => void client.invalidateQueries({ queryKey: runKey }), SETTLE);
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
        else if (changesCommands(event)) readAgain();
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
