import { create } from "@bufbuild/protobuf";
import { ProcessSchema, Step_Kind } from "@/gen/services/runs/v1/runs_pb";
import { step } from "./factories";

export const importProcess = create(ProcessSchema, {
  name: "processes/recordimport",
  title: "Import records",
  description: "Brings the rows of a file into a dataset, counts them live, and lists what was rejected and why.",
  startable: true,
  keepable: true,
  organisationConcurrency: 2,
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
        required: ["file", "dataset"],
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
    required: ["email", "displayName", "role"],
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

export const bulkProcess = create(ProcessSchema, {
  name: "processes/runbulk",
  title: "Command many runs",
  description: "Gives every open run that a filter names the same command.",
  startable: true,
  parks: true,
  inputSchema: {
    type: "object",
    properties: {
      command: { type: "string", enum: ["PAUSE", "RESUME", "CANCEL"] },
      reason: { type: "string", minLength: 1, maxLength: 1000 },
      filter: { type: "string", minLength: 1, maxLength: 2000 },
      dryRun: { type: "boolean" },
    },
    required: ["command", "reason", "filter"],
  },
  steps: [step("plan", { title: "Find the runs" }), step("apply", { title: "Give the command", kind: Step_Kind.EACH })],
});

export const exportProcess = create(ProcessSchema, {
  name: "processes/recordexport",
  title: "Export records",
  description: "Writes the records that a filter names into a file to download.",
  startable: true,
  steps: [step("plan", { title: "Count" }), step("write", { title: "Write the parts", kind: Step_Kind.EACH })],
});
