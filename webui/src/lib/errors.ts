import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { humanise } from "./names";

// What a person reads for a machine-readable reason. Reasons that are missing here show the server's own sentence.
const sentences: Record<string, string> = {
  ALREADY_DECIDED: "Somebody else has already decided this. Here is what they decided.",
  EXPIRED: "The time to decide is over, so this can no longer be decided.",
  CLAIMED: "Somebody else has claimed this task. Ask them to release it.",
  ONLY_PEOPLE: "Several people must look at this, so a program has no voice in it. Decide it as yourself.",
  FOUR_EYES: "You started this run, so somebody else must decide.",
  NOT_YOURS: "This task is for somebody else.",
  CHANGED: "This changed while you were looking at it. Have another look and decide again.",
  ENDED: "The run has already ended.",
  INPUT_OUTDATED: "The process asks for other values by now. Start it anew instead.",
  LAST_ADMINISTRATOR: "This is the last administrator. Make somebody else an administrator first.",
  MORE_THAN_YOURS: "You can't give what you don't have yourself.",
  SCOPE_BEYOND_YOURS: "You can't give a client a scope that your own roles do not cover.",
  ROLE_IN_USE: "Somebody still has this role, or is invited to it. Change that first.",
  IDEMPOTENCY_KEY_REUSED: "This form was already sent with other values. Open it again to start another run.",
  OWN_SCHEDULE:
    "This process brings its own schedule, which concerns everybody: only an administrator may change or pause it, and nobody deletes it.",
  TOO_MANY_SCHEDULES: "Your organisation has as many schedules as it may have. Delete one that nobody needs any more.",
  IMPORT_RUNNING: "An import into this dataset is running. Wait for it, or cancel its run.",
  SIZE_DIFFERS: "Not the whole file arrived. Upload it again.",
  HASH_DIFFERS: "The file changed on its way. Upload it again.",
  DATASET_EXISTS: "There is already a dataset with this name.",
};

const codes: Partial<Record<Code, string>> = {
  [Code.Unavailable]: "The service can't be reached right now. Try again in a moment.",
  [Code.DeadlineExceeded]: "The service took too long to answer. Try again in a moment.",
  [Code.PermissionDenied]: "You don't have the permission for this.",
  [Code.NotFound]: "There is nothing here, or you may not see it.",
  [Code.ResourceExhausted]: "Too much at once. Wait a moment and try again.",
};

// One fault, as the pages show it.
export interface Problem {
  sentence: string;
  // The server's own words, if they say more than the sentence.
  detail?: string;
  // "ALREADY_DECIDED"; empty if the server gave none.
  reason: string;
  code: Code;
  // Field path in lowerCamelCase -> what is wrong with it.
  fields: Record<string, string>;
}

export function problemOf(error: unknown): Problem {
  const fault = ConnectError.from(error, Code.Unavailable);
  const reason = reasonOf(fault);
  const detail = capitalise(spoken(fault.rawMessage));
  const sentence = sentences[reason] ?? codes[fault.code] ?? detail;
  return { sentence, detail: detail === sentence ? undefined : detail, reason, code: fault.code, fields: fieldsOf(fault) };
}

// "format.columns[1].dateFormat: has DD twice" -> "Date format: has DD twice": the path is for programs.
const spoken = (message: string) =>
  message.replace(/(^|[;,] )(?:\w+(?:\[\d+\])?\.)+(\w+): /g, (_, before: string, name: string) => `${before}${humanise(name)}: `);

function reasonOf(error: ConnectError): string {
  const [info] = details(error, "google.rpc.ErrorInfo");
  return info ? text(readFields(info).get(1)?.[0]) : "";
}

function fieldsOf(error: ConnectError): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const request of details(error, "google.rpc.BadRequest"))
    for (const violation of readFields(request).get(1) ?? []) {
      const parts = readFields(violation);
      fields[camel(text(parts.get(1)?.[0]))] = capitalise(text(parts.get(2)?.[0]));
    }
  return fields;
}

function details(error: ConnectError, type: string): Uint8Array[] {
  return error.details.flatMap((detail) => ("type" in detail && detail.type === type ? [detail.value] : []));
}

// The details of google.rpc hold nothing but strings and messages, so their fields can be read without the schema.
function readFields(message: Uint8Array): Map<number, Uint8Array[]> {
  const fields = new Map<number, Uint8Array[]>();
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType === WireType.LengthDelimited) fields.set(number, [...(fields.get(number) ?? []), reader.bytes()]);
    else reader.skip(wireType, number);
  }
  return fields;
}

const text = (bytes: Uint8Array | undefined) => (bytes ? new TextDecoder().decode(bytes) : "");
const camel = (path: string) => path.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
// Errors begin like the middle of a sentence.
export const capitalise = (sentence: string) => sentence.charAt(0).toUpperCase() + sentence.slice(1);
