import { Run_State } from "@/gen/services/runs/v1/runs_pb";

// What the list of runs is narrowed to; it stands in the address, so a view can be sent to somebody.
export interface RunFilter {
  // A word of Run_State, or "PARKED".
  state?: string;
  process?: string;
  // "users/ID" or "clients/ID".
  actor?: string;
  key?: string;
  // ID of the schedule that started them.
  schedule?: string;
  // Commit of the worker.
  build?: string;
  // First and last day on which they started, in this browser's time zone: "2026-11-22".
  from?: string;
  until?: string;
  // Words of the title, the key or the process.
  search?: string;
}

export const PARKED = "PARKED";
export const runStates = [
  ...Object.keys(Run_State).filter((key) => Number.isNaN(Number(key)) && key !== "STATE_UNSPECIFIED"),
  PARKED,
];

// The filter as the server reads it; `search` travels beside it.
export function filterText({ state, process, actor, key, schedule, build, from, until }: RunFilter): string {
  return [
    state === PARKED ? "parked=true" : state && `state=${quote(state)}`,
    process && `process=${quote(process)}`,
    actor && `actor=${quote(actor)}`,
    key && `key=${quote(key)}`,
    schedule && `schedule=${quote(`schedules/${schedule}`)}`,
    build && `build=${quote(build)}`,
    from && `startTime>=${quote(midnight(from, 0))}`,
    until && `startTime<${quote(midnight(until, 1))}`,
  ]
    .filter(Boolean)
    .join(" AND ");
}

const quote = (text: string) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`;

// The start of a day here, so many days later, as an instant.
function midnight(day: string, later: number): string {
  const start = new Date(`${day}T00:00:00`);
  start.setDate(start.getDate() + later);
  return start.toISOString();
}

// The filter that an address holds. What can't be one is left out.
export function filterOf(search: Record<string, unknown>): RunFilter {
  const text = (name: keyof RunFilter, form: RegExp) => {
    // An address says ?key=4711, and means text.
    const value = typeof search[name] === "number" ? String(search[name]) : search[name];
    return typeof value === "string" && form.test(value) ? value : undefined;
  };
  const day = /^\d{4}-\d{2}-\d{2}$/;
  return {
    state: text("state", /^[A-Z_]+$/),
    process: text("process", /^\w+$/),
    actor: text("actor", /^(users|clients|facts)\/[\w-]+$/),
    key: text("key", /^.{1,200}$/),
    schedule: text("schedule", /^[a-z][a-z0-9-]*$/),
    build: text("build", /^[\w.+-]+$/),
    from: text("from", day),
    until: text("until", day),
    search: text("search", /^.{1,200}$/),
  };
}
