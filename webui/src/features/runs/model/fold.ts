import { create } from "@bufbuild/protobuf";
import type { Event } from "@/gen/events/v1/event_pb";
import { type Run, Run_State, RunErrorSchema, type Step, Step_Kind, Step_State } from "@/gen/services/runs/v1/runs_pb";

const ended = new Set([
  Run_State.COMPLETED,
  Run_State.FAILED,
  Run_State.CANCELLED,
  Run_State.TERMINATED,
  Run_State.TIMED_OUT,
  Run_State.LOST,
]);

// "RUNNING" as a state; undefined for a word of a later version.
export const stateOf = (word: string): Run_State | undefined =>
  word in Run_State ? Run_State[word as keyof typeof Run_State] : undefined;

export const hasEnded = (state: Run_State) => ended.has(state);

// The step that a parked run waits for, or that a failed one ended with.
export const failedStep = (run: Run): Step | undefined =>
  run.steps.find(({ state }) => state === Step_State.FAILED || state === Step_State.TIMED_OUT) ??
  run.steps.find(({ name }) => name === (run.error?.step || (run.parked ? run.step : "")));

// The run's state as one word; a parked run waits for an operator, which is more than waiting.
export const stateWord = (run: Run): string => (run.parked ? "PARKED" : Run_State[run.state]);

// Of two states of one run the later; what events don't say comes from what was read last.
export function newer(known: Run | undefined, read: Run): Run {
  if (!known || known.seq <= read.seq) return read;
  const { commands, parked, priority, queuePosition, build } = read;
  return { ...known, commands, parked, priority, queuePosition, build };
}

// Whether a person may do something else with the run after this event than before it. The server knows what.
export const changesCommands = ({ kind, item }: Event) => kind !== "step.progress" && item === 0;

// The run as it is after one more event of its journal. Events that the run already contains change nothing.
export function applyEvent(run: Run, event: Event): Run {
  if (event.seq <= run.seq) return run;
  const state = stateOf(event.state) ?? run.state;
  const over = hasEnded(state);
  const again = resetSteps(event);
  return {
    ...run,
    seq: event.seq,
    state,
    progress: event.progress ?? run.progress,
    step: event.step || run.step,
    startTime: run.startTime ?? event.time,
    endTime: over ? (run.endTime ?? event.time) : undefined,
    error:
      event.kind === "run.failed"
        ? create(RunErrorSchema, { message: event.message, reason: event.reason, step: event.step })
        : run.error,
    parked: event.kind === "run.parked" || (run.parked && !decided.has(event.kind) && !over),
    steps: run.steps.map((step) =>
      again.includes(step.name) ? pending(step) : step.name === event.step ? applyToStep(step, event) : step,
    ),
  };
}

// A parked run stays so until one of these says what its operator decided.
const decided = new Set(["run.unparked", "run.reset", "run.compensating"]);

// Steps that a reset has made undone.
function resetSteps({ kind, data }: Event): string[] {
  const steps = kind === "run.reset" ? data?.steps : undefined;
  return Array.isArray(steps) ? steps.filter((name) => typeof name === "string") : [];
}

const pending = (step: Step): Step => ({
  ...step,
  state: Step_State.PENDING,
  attempt: 0,
  message: "",
  startTime: undefined,
  endTime: undefined,
});

const next: Record<string, Step_State> = {
  "step.started": Step_State.RUNNING,
  "step.progress": Step_State.RUNNING,
  "step.succeeded": Step_State.SUCCEEDED,
  "step.failed": Step_State.FAILED,
  "step.timed_out": Step_State.TIMED_OUT,
  "step.waiting": Step_State.WAITING,
  "step.skipped": Step_State.SKIPPED,
  "step.compensating": Step_State.COMPENSATING,
  "step.compensated": Step_State.COMPENSATED,
};

const closed = new Set([Step_State.SUCCEEDED, Step_State.FAILED, Step_State.TIMED_OUT, Step_State.SKIPPED, Step_State.COMPENSATED]);

function applyToStep(step: Step, event: Event): Step {
  const many = step.kind === Step_Kind.EACH;
  // News of an attempt that a later one has replaced. The calls of an `each` step count their attempts apart.
  if (!many && event.attempt > 0 && event.attempt < step.attempt) return step;
  let state = next[event.kind] ?? step.state;
  // One of many calls is done; the step is done when the event without an item says so.
  if (many && event.item > 0 && state === Step_State.SUCCEEDED) state = Step_State.RUNNING;
  // A tick that was on its way when the step ended does not reopen it; a new start does.
  if (event.kind === "step.progress" && closed.has(step.state)) state = step.state;
  return {
    ...step,
    state,
    attempt: many ? Math.max(step.attempt, event.attempt) : event.attempt || step.attempt,
    message: event.message || (event.kind === "step.started" ? "" : step.message),
    startTime: step.startTime ?? event.time,
    endTime: closed.has(state) ? event.time : undefined,
  };
}
