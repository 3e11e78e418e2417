import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Event, EventSchema } from "@/gen/events/v1/event_pb";
import { type Reject, RejectSchema, Reject_State } from "@/gen/services/records/v1/records_pb";
import {
  type Run,
  Run_State,
  RunSchema,
  type Schedule,
  ScheduleSchema,
  type Step,
  Step_Kind,
  Step_State,
  StepSchema,
  type Task,
  Task_State,
  TaskSchema,
} from "@/gen/services/runs/v1/runs_pb";

// The moment at which the fake house lives; pages that say "5 minutes ago" say it in relation to the real clock.
export const now = new Date();
export const ago = (seconds: number) => timestampFromDate(new Date(now.getTime() - seconds * 1000));

let counter = 0;
export const uuid = () => `0197a000-0000-7000-8000-${String(++counter).padStart(12, "0")}`;

export const step = (name: string, init: MessageInitShape<typeof StepSchema> = {}): Step =>
  create(StepSchema, { name, title: "", kind: Step_Kind.ACTIVITY, state: Step_State.PENDING, ...init });

export const run = (init: MessageInitShape<typeof RunSchema> = {}): Run =>
  create(RunSchema, {
    name: `runs/${uuid()}`,
    process: "recordimport",
    state: Run_State.RUNNING,
    actor: "users/ada",
    startTime: ago(60),
    ...init,
  });

export const event = (kind: string, init: MessageInitShape<typeof EventSchema> = {}): Event =>
  create(EventSchema, { kind, seq: 1n, state: "RUNNING", time: ago(0), ...init });

export const task = (init: MessageInitShape<typeof TaskSchema> = {}): Task =>
  create(TaskSchema, {
    name: `tasks/${uuid()}`,
    run: `runs/${uuid()}`,
    process: "onboarding",
    step: "approve",
    title: "Approve Grace Hopper as member",
    state: Task_State.OPEN,
    assignee: "roles/approver",
    createTime: ago(3600),
    dueTime: ago(-2 * 86_400),
    version: 1n,
    decidable: true,
    ...init,
  });

export const schedule = (init: MessageInitShape<typeof ScheduleSchema> = {}): Schedule =>
  create(ScheduleSchema, {
    name: "schedules/nightly-import",
    title: "Nightly import",
    process: "recordimport",
    cron: "30 6 * * 1-5",
    timeZone: "Europe/Berlin",
    actor: "users/ada",
    createTime: ago(86_400 * 12),
    nextTimes: [1, 2, 3, 4, 5].map((days) => ago(-86_400 * days)),
    ...init,
  });

export const reject = (line: number, init: MessageInitShape<typeof RejectSchema> = {}): Reject =>
  create(RejectSchema, {
    name: `imports/1/rejects/${line}`,
    line: BigInt(line),
    state: Reject_State.REJECTED,
    faults: [{ column: "seats", value: "many", reason: "is no whole number" }],
    cells: { tailnum: "N14228", year: "1999", seats: "many" },
    ...init,
  });

// An error as the house sends it: a code, a reason, its words, and the fields at fault.
export function refusal(code: Code, reason: string, message: string, fields: Record<string, string> = {}): ConnectError {
  const error = new ConnectError(message, code);
  error.details = [
    { type: "google.rpc.ErrorInfo", value: encode([1, reason], [2, "mshub"]) },
    {
      type: "google.rpc.BadRequest",
      value: encode(...Object.entries(fields).map(([field, fault]): [number, Uint8Array] => [1, encode([1, field], [2, fault])])),
    },
  ];
  return error;
}

function encode(...fields: [number, string | Uint8Array][]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of fields) {
    writer.tag(number, WireType.LengthDelimited);
    if (typeof value === "string") writer.string(value);
    else writer.bytes(value);
  }
  return writer.finish();
}
