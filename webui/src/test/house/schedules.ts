import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { Run_State, RunsService, type Schedule, ScheduleSchema } from "@/gen/services/runs/v1/runs_pb";
import { ago, run } from "../factories";
import type { FakeHouse } from "./house";
import { missing } from "./serve";

// Schedules never start anything by themselves here; their next times are the same five hours.
export function schedules(house: FakeHouse): Partial<ServiceImpl<typeof RunsService>> {
  const find = (name: string) => house.schedules.find((one) => one.name === name) ?? missing();
  const change = (name: string, changed: Partial<Schedule>): Schedule => {
    const found = find(name);
    const next = { ...found, ...changed };
    house.schedules = house.schedules.map((one) => (one === found ? next : one));
    return next;
  };
  return {
    listSchedules: () => ({ schedules: house.schedules }),
    getSchedule: ({ name }) => find(name),
    createSchedule: ({ scheduleId, schedule }) => {
      const created = {
        ...(schedule ?? create(ScheduleSchema)),
        name: `schedules/${scheduleId}`,
        actor: "users/ada",
        createTime: ago(0),
        nextTimes: nextTimes(),
      };
      house.schedules.push(created);
      return created;
    },
    updateSchedule: ({ schedule }) => {
      const { title, input, cron, timeZone, overlap, catchupSeconds } = schedule ?? create(ScheduleSchema);
      return change(schedule?.name ?? "", { title, input, cron, timeZone, overlap, catchupSeconds });
    },
    deleteSchedule: ({ name }) => {
      house.schedules = house.schedules.filter((one) => one.name !== name);
      return {};
    },
    pauseSchedule: ({ name, reason }) => change(name, { paused: true, pauseReason: reason, nextTimes: [] }),
    resumeSchedule: ({ name }) => change(name, { paused: false, pauseReason: "", nextTimes: nextTimes() }),
    triggerSchedule: ({ name }) => {
      const { process, input } = find(name);
      const begun = run({ process, input, schedule: name, state: Run_State.STARTING, startTime: ago(0) });
      house.runs.unshift(begun);
      return begun;
    },
    backfillSchedule: ({ name }) => {
      const { process } = find(name);
      const begun = [1, 2, 3].map(() => run({ process, schedule: name, state: Run_State.QUEUED }));
      house.runs.unshift(...begun);
      return { runs: begun.map((one) => one.name) };
    },
  };
}

export const nextTimes = () => [1, 2, 3, 4, 5].map((hours) => ago(-3600 * hours));
