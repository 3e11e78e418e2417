import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Event, EventSchema } from "@/gen/events/v1/event_pb";
import {
  ProcessSchema,
  type Run,
  Run_State,
  RunSchema,
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

export const importProcess = create(ProcessSchema, {
  name: "processes/recordimport",
  title: "Import records",
  description: "Brings the rows of a file into a dataset, counts them live, and lists what was rejected and why.",
  startable: true,
  inputSchema: {
    $ref: "#/$defs/Input",
    $defs: {
      Input: {
        type: "object",
        additionalProperties: true,
        properties: {
          file: {
            type: "string",
            pattern: "^files/[0-9a-f-]{36}$",
            description: "The uploaded file: files/ID. CSV, plain or gzipped.",
          },
          dataset: { type: "string", pattern: "^datasets/[a-z][a-z0-9_-]{0,62}$", description: "The dataset: datasets/NAME." },
          mode: {
            type: "string",
            title: "Import Mode",
            enum: ["IMPORT_MODE_UNSPECIFIED", "INSERT", "UPSERT"],
            description: "What a key that exists means: UPSERT updates it (default), INSERT rejects the row.",
          },
          format: {
            $ref: "#/$defs/Format",
            description: "How to read the file; leave empty for comma and the default null tokens.",
          },
        },
        required: ["file", "dataset", "mode"],
      },
      Format: {
        type: "object",
        title: "Format",
        properties: {
          delimiter: { type: "string", maxLength: 1, description: '"," if empty; "\\t", ";", "|".' },
          nullTokens: {
            type: "array",
            items: { type: "string", maxLength: 40 },
            maxItems: 20,
            description: "Tokens that mean null in every column, in place of the default rule.",
          },
        },
      },
    },
  },
  steps: [
    step("plan", { title: "Read and cut the file" }),
    step("import", { title: "Import the chunks", kind: Step_Kind.EACH }),
    step("finish", { title: "Sum up, write rejects" }),
  ],
});

export const onboardingProcess = create(ProcessSchema, {
  name: "processes/onboarding",
  title: "Onboard a person",
  description:
    "Invites a person, waits for the answer and for an approval, and gives the membership. Whatever was done is undone if it ends otherwise.",
  startable: true,
  inputSchema: {
    type: "object",
    properties: {
      email: { type: "string", format: "email", maxLength: 254, description: "E-mail address of the person." },
      displayName: { type: "string", minLength: 1, maxLength: 200, description: "Name of the person, as it will be shown." },
      role: { type: "string", minLength: 1, maxLength: 40, description: "Role that the person will have." },
      approver: {
        type: "string",
        maxLength: 254,
        description: "Who decides: an e-mail address, users/ID, or roles/NAME. Empty: any administrator.",
      },
    },
    required: ["email", "displayName", "role", "approver"],
  },
  steps: [
    step("invite", { title: "Invite" }),
    step("mail", { title: "Send the invitation" }),
    step("accept", { title: "Wait for the person", kind: Step_Kind.TIMER }),
    step("approve", { title: "Approval", kind: Step_Kind.TASK }),
    step("member", { title: "Give the membership" }),
    step("welcome", { title: "Welcome mail", optional: true }),
  ],
});
