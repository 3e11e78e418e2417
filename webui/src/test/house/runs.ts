import type { ServiceImpl } from "@connectrpc/connect";
import { type Run, Run_Command, Run_State, RunsService } from "@/gen/services/runs/v1/runs_pb";
import { ago, run } from "../factories";
import type { FakeHouse } from "./house";
import { missing } from "./serve";

// Runs are what the test says; a command changes the state, as the real house does in the end.
export function runs(house: FakeHouse): Partial<ServiceImpl<typeof RunsService>> {
  const find = (name: string) => house.runs.find((known) => known.name === name) ?? missing();
  const steer = (name: string, change: Partial<Run>): Run => {
    const found = find(name);
    const steered = { ...found, ...change, seq: found.seq + 1n };
    house.runs = house.runs.map((known) => (known === found ? steered : known));
    return offered(steered);
  };
  const begin = (init: Parameters<typeof run>[0]): Run => {
    const begun = run({
      state: Run_State.STARTING,
      startTime: ago(0),
      steps: house.processes.find(({ name }) => name === `processes/${init?.process}`)?.steps,
      ...init,
    });
    house.runs.unshift(begun);
    return begun;
  };
  return {
    listProcesses: () => ({ processes: house.processes }),
    getProcess: ({ name }) => house.processes.find((process) => process.name === name) ?? missing(),
    listRuns: ({ filter, search }) => ({
      runs: house.runs.filter(
        ({ state, process, title, schedule, parked }) =>
          title.includes(search) &&
          (!filter ||
            filter.includes(`"${Run_State[state]}"`) ||
            filter.includes(`process="${process}"`) ||
            (parked && filter.includes("parked=true")) ||
            (schedule !== "" && filter.includes(`schedule="${schedule}"`))),
      ),
    }),
    getRun: ({ name }) => offered(find(name)),
    listEvents: ({ run: name, after }) => {
      const events = house.events.get(name) ?? [];
      return { events: events.filter(({ seq }) => seq > after), seq: events.at(-1)?.seq ?? 0n };
    },
    startRun: ({ process, input, title, key, priority }) => begin({ process, input, title, key, priority }),
    pauseRun: ({ name }) => steer(name, { state: Run_State.PAUSED }),
    resumeRun: ({ name }) => steer(name, { state: Run_State.RUNNING }),
    cancelRun: ({ name }) => steer(name, { state: Run_State.COMPENSATING, parked: false }),
    retryStep: ({ name }) => steer(name, { state: Run_State.RUNNING, parked: false }),
    skipStep: ({ name }) => steer(name, { state: Run_State.RUNNING, parked: false }),
    resetRun: ({ name }) => steer(name, { state: Run_State.RUNNING }),
    terminateRun: ({ name }) => steer(name, { state: Run_State.TERMINATED, endTime: ago(0) }),
    prioritiseRun: ({ name, priority }) => steer(name, { priority }),
    retryRun: ({ name }) => {
      const { process, input, title } = find(name);
      return begin({ process, input, title, retriedFrom: name });
    },
    getLoad: () => house.load,
  };
}

// The run with what the viewer may do now.
function offered(run: Run): Run {
  return { ...run, commands: run.commands.length > 0 ? run.commands : commandsOf(run) };
}

function commandsOf({ state, parked }: Run): Run_Command[] {
  const { PAUSE, RESUME, CANCEL, RETRY, RETRY_STEP, SKIP_STEP, RESET, TERMINATE, PRIORITISE } = Run_Command;
  if (parked) return [RETRY_STEP, SKIP_STEP, CANCEL, RESET, TERMINATE];
  switch (state) {
    case Run_State.STARTING:
      return [CANCEL];
    case Run_State.QUEUED:
      return [PRIORITISE, CANCEL];
    case Run_State.RUNNING:
    case Run_State.WAITING:
      return [PAUSE, CANCEL, RESET, TERMINATE];
    case Run_State.PAUSED:
      return [RESUME, CANCEL, RESET, TERMINATE];
    case Run_State.COMPENSATING:
      return [TERMINATE];
    case Run_State.COMPLETED:
      return [];
    default:
      return [RETRY];
  }
}
