import { create, type JsonObject, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { type Format, type Format_ColumnSchema, Format_Kind, FormatSchema } from "@/gen/services/records/v1/records_pb";

// How a file is to be read. What is empty is found out by the house, or left as it is.
export interface Reading {
  kind: Format_Kind;
  encoding: string;
  delimiter: string;
  quote: string;
  noHeader: boolean;
  trim: boolean;
  nullTokens: string[];
  dateFormat: string;
  timeFormat: string;
  timeZone: string;
  decimal: string;
  thousands: string;
}

export const nothingSaid: Reading = {
  kind: Format_Kind.KIND_UNSPECIFIED,
  encoding: "",
  delimiter: "",
  quote: "",
  noHeader: false,
  trim: false,
  nullTokens: [],
  dateFormat: "",
  timeFormat: "",
  timeZone: "",
  decimal: "",
  thousands: "",
};

// What is said about the whole file, and about single columns of it.
export const formatOf = (reading: Reading, columns: MessageInitShape<typeof Format_ColumnSchema>[] = []): Format =>
  create(FormatSchema, { ...reading, columns });

// As a run's input holds it; undefined if there is nothing to say.
export function formatInput(said: Format): JsonObject | undefined {
  const format = toJson(FormatSchema, said) as JsonObject;
  return Object.keys(format).length > 0 ? format : undefined;
}

export const kinds = [
  { value: Format_Kind.CSV, label: "CSV" },
  { value: Format_Kind.NDJSON, label: "NDJSON: one object a line" },
  { value: Format_Kind.JSON, label: "JSON: one array of objects" },
];
export const encodings = ["utf-8", "utf-16le", "utf-16be", "windows-1252", "iso-8859-1"];
export const delimiters = [
  { value: ",", label: "comma" },
  { value: ";", label: "semicolon" },
  { value: "\t", label: "tab" },
  { value: "|", label: "bar" },
];
export const quotes = [
  { value: '"', label: "double quotes" },
  { value: "'", label: "single quotes" },
  { value: "none", label: "never" },
];

export const decimals = [
  { value: ".", label: "point: 1.5" },
  { value: ",", label: "comma: 1,5" },
];

// "CSV, utf-8, semicolon": what the house found out.
export function describeFormat(format: Format | undefined): string {
  if (!format) return "";
  return [
    format.kind !== Format_Kind.KIND_UNSPECIFIED && Format_Kind[format.kind],
    format.encoding,
    delimiters.find(({ value }) => value === format.delimiter)?.label ?? format.delimiter,
    format.noHeader && "without a header",
  ]
    .filter(Boolean)
    .join(", ");
}
