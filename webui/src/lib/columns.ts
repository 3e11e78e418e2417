import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

export const columnTypes = ["string", "integer", "number", "boolean", "date", "date-time"] as const;
export type ColumnType = (typeof columnTypes)[number];

export const typeNames: Record<ColumnType, string> = {
  string: "Text",
  integer: "Whole number",
  number: "Number",
  boolean: "Yes or no",
  date: "Date",
  "date-time": "Date and time",
};

const ORDER = "x-order";

// One column of a dataset, as people edit it. In the schema a date is a string with a format.
export interface Column {
  name: string;
  type: ColumnType;
  nullable: boolean;
  // Of the property, kept as it was: title, description, formats that the editor does not know (email, uuid, uri).
  rest?: JsonObject;
}

// JSON Schema of a record with these columns. Objects on the wire have no order, so each column says its place.
export function schemaOf(columns: readonly Column[]): JsonObject {
  return {
    type: "object",
    properties: Object.fromEntries(
      columns.map(({ name, type, rest }, index) => [name, { ...rest, ...typeAndFormat(type, rest), [ORDER]: index }]),
    ),
    required: columns.filter(({ nullable }) => !nullable).map(({ name }) => name),
  };
}

function typeAndFormat(type: ColumnType, rest: JsonObject | undefined): JsonObject {
  if (type === "date" || type === "date-time") return { type: "string", format: type };
  if (type === "string" && rest?.format && rest.format !== "date" && rest.format !== "date-time")
    return { type, format: rest.format };
  return { type };
}

export function columnsOf(schema: JsonObject | undefined): Column[] {
  const required = Array.isArray(schema?.required) ? schema.required : [];
  const properties = Object.entries(objectOf(schema?.properties)).map(([name, property]) => [name, objectOf(property)] as const);
  const placed = properties.sort(([, one], [, other]) => Number(one[ORDER] ?? 0) - Number(other[ORDER] ?? 0));
  return placed.map(([name, property]) => {
    const { type, format, ...rest } = property;
    const types = Array.isArray(type) ? type : [type];
    const plain = types.find((one) => one !== "null");
    const known = format === "date" || format === "date-time" ? format : plain;
    return {
      name,
      type: columnTypes.find((one) => one === known) ?? "string",
      nullable: types.includes("null") || !required.includes(name),
      rest: format === undefined || known === format ? rest : { ...rest, format },
    };
  });
}

export const objectOf = (value: JsonValue | undefined): JsonObject =>
  value !== null && typeof value === "object" && !Array.isArray(value) ? value : {};

// What a new dataset may be called: the rule of its resource name.
export const DATASET_ID = /^[a-z][a-z0-9_-]{0,62}$/;

// "Flights 2013 (final).csv.gz" -> "flights-2013-final".
export function datasetIdFrom(fileName: string): string {
  return fileName
    .replace(/(\.(csv|tsv|txt|json|ndjson|jsonl|gz|zst))+$/i, "")
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "")
    .slice(0, 63);
}
