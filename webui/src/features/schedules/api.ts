import { createConnectQueryKey, useInfiniteQuery, useMutation, useQuery, useTransport } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { RunsService, type Schedule } from "@/gen/services/runs/v1/runs_pb";
import { useTopic } from "@/lib/app";
import { runsTopic, useViewer } from "@/lib/viewer";

const {
  listSchedules,
  getSchedule,
  createSchedule,
  updateSchedule,
  deleteSchedule,
  pauseSchedule,
  resumeSchedule,
  triggerSchedule,
  backfillSchedule,
  listRuns,
} = RunsService.method;

export const scheduleName = (id: string) => `schedules/${id}`;

// Nothing is pushed about schedules; their next times pass by.
const LOOK_AGAIN = 30_000;

export function useSchedules() {
  return useInfiniteQuery(
    listSchedules,
    { pageSize: 100, pageToken: "" },
    {
      pageParamKey: "pageToken",
      getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined,
      refetchInterval: LOOK_AGAIN,
    },
  );
}

export const useSchedule = (name: string) => useQuery(getSchedule, { name }, { refetchInterval: LOOK_AGAIN });

// The newest runs that a schedule has started.
export function useRunsOf(name: string) {
  const client = useQueryClient();
  const input = { filter: `schedule="${name}"`, pageSize: 10 };
  useTopic(runsTopic(useViewer()), {
    hint: () =>
      void client.invalidateQueries({ queryKey: createConnectQueryKey({ schema: listRuns, input, cardinality: "finite" }) }),
  });
  return useQuery(listRuns, input);
}

// What can be done to a schedule. An answer that is the schedule takes its place on the page at once.
export function useScheduleActions() {
  const client = useQueryClient();
  const transport = useTransport();
  const renew = () =>
    client.invalidateQueries({ queryKey: createConnectQueryKey({ schema: listSchedules, cardinality: undefined }) });
  const onSuccess = (schedule: Schedule) => {
    const key = createConnectQueryKey({ schema: getSchedule, input: { name: schedule.name }, transport, cardinality: "finite" });
    client.setQueryData(key, schedule);
    return renew();
  };
  return {
    create: useMutation(createSchedule, { onSuccess }),
    update: useMutation(updateSchedule, { onSuccess }),
    pause: useMutation(pauseSchedule, { onSuccess }),
    resume: useMutation(resumeSchedule, { onSuccess }),
    remove: useMutation(deleteSchedule, { onSuccess: renew }),
    trigger: useMutation(triggerSchedule, { onSuccess: renew }),
    backfill: useMutation(backfillSchedule, { onSuccess: renew }),
  };
}
