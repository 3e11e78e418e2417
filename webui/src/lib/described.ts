import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { objectOf } from "./columns";
import { humanise } from "./names";
import { formatBytes, formatCount } from "./number";
import { formatDuration } from "./time";

// The properties that a JSON Schema made from a .proto describes, in the order of the message; references are followed.
export function propertiesOf(schema: JsonObject | undefined, root = schema): [name: string, property: JsonObject][] {
  return Object.entries(objectOf(resolve(schema, root).properties))
    .map(([name, property]): [string, JsonObject] => [name, objectOf(property)])
    .sort(([, one], [, other]) => placeOf(one) - placeOf(other));
}

const placeOf = (property: JsonObject) => Number(property["x-order"] ?? 1000);

export function resolve(schema: JsonObject | undefined, root: JsonObject | undefined): JsonObject {
  if (typeof schema?.$ref !== "string") return schema ?? {};
  const { $ref, ...own } = schema;
  return { ...objectOf(objectOf(root?.$defs)[$ref.replace(/^#\/\$defs\//, "")]), ...own };
}

// "latencyMs" -> "Latency", "certificateSha256" -> "Certificate SHA-256": the unit stands at the value.
export const labelOf = (name: string) => humanise(name.replace(/(?<=.)(Ms|Seconds)$/, "")).replace(/\bsha256\b/i, "SHA-256");

const DURATION = /^\d+(\.\d+)?s$/;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;

// A number or a time as people read it; undefined: the value is something else. int64 travels as text, so a text of digits is
// a number only if the schema says so.
export function readable(name: string, value: JsonValue, schema: JsonObject): string | undefined {
  if (typeof value === "boolean") return value ? "Yes" : "No";
  const whole = schema.type === "integer";
  if (typeof value === "number" || (whole && typeof value === "string" && /^-?\d+$/.test(value))) {
    if (/^bytes$|Bytes$/.test(name)) return formatBytes(Number(value));
    if (/.Ms$/.test(name)) return formatDuration(Number(value));
    if (/.Seconds$/.test(name)) return formatDuration(Number(value) * 1000);
    return whole ? formatCount(value) : String(value);
  }
  return typeof value === "string" && DURATION.test(value) ? formatDuration(Number(value.slice(0, -1)) * 1000) : undefined;
}

// An instant, as protojson writes a Timestamp.
export const instantOf = (value: JsonValue): Date | undefined =>
  typeof value === "string" && INSTANT.test(value) ? new Date(value) : undefined;

// Nothing was said: an empty text or list, the zero of an enum.
export const isNothing = (value: JsonValue | undefined): boolean =>
  value === undefined ||
  value === null ||
  value === "" ||
  (typeof value === "string" && value.endsWith("_UNSPECIFIED")) ||
  (Array.isArray(value) && value.length === 0);
