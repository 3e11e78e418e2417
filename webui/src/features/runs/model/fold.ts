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

// The run as it is after one more event of its journal. Events that the run already contains change nothing.
export function applyEvent(run: Run, event: Event): Run {
  if (event.seq <= run.seq) return run;
  const state = stateOf(event.state) ?? run.state;
  const over = hasEnded(state);
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
    steps: run.steps.map((step) => (step.name === event.step ? applyToStep(step, event) : step)),
  };
}

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
