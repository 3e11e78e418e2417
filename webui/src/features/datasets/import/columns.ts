import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Proposal } from "@/components/datasets/propose";
import { Format_Case, type Format_ColumnSchema } from "@/gen/services/records/v1/records_pb";
import type { Column, ColumnType } from "@/lib/columns";

// A value of another dataset's record in the place of a cell.
export interface Lookup {
  dataset: string;
  match: string;
  take: string;
  unknownIsNull: boolean;
}

// How the cells of one column are read. What is empty is read as in the whole file.
export interface Transform {
  trim: boolean;
  letters: Format_Case;
  nullTokens: string[];
  dateFormat: string;
  decimal: string;
  thousands: string;
  lookup?: Lookup;
}

const asItIs: Transform = {
  trim: false,
  letters: Format_Case.CASE_UNSPECIFIED,
  nullTokens: [],
  dateFormat: "",
  decimal: "",
  thousands: "",
};

// A column of the file, and what a person said about it.
export interface FileColumn {
  // Its name in the header, or the member's name in JSON.
  source: string;
  // What it becomes in a new dataset.
  type: ColumnType;
  nullable: boolean;
  key: boolean;
  unique: boolean;
  examples: string[];
  // A list or an object, which no column can hold.
  nested: boolean;
  // The dataset's column, and whether this one is left out; undefined: as the names say.
  target?: string;
  skip?: boolean;
  transform: Transform;
}

// A column of the file in its place: `target` is empty if it has none.
export interface Placed extends FileColumn {
  target: string;
  skip: boolean;
}

export function columnsOfFile({ columns, samples, keyColumns, format }: Proposal): FileColumn[] {
  const nested = (format?.columns ?? []).filter(({ skip }) => skip);
  return [
    ...columns.map((column) => ({ ...column, nested: false })),
    ...nested.map(({ source }) => ({ name: source, type: "string" as const, nullable: true, nested: true })),
  ].map(({ name, type, nullable, nested }) => ({
    source: name,
    type,
    nullable,
    key: keyColumns.includes(name),
    unique: samples[name]?.unique ?? false,
    examples: samples[name]?.examples ?? [],
    nested,
    transform: asItIs,
  }));
}

// Where the file's columns go: into a new dataset all, under their own names; into one that exists (`there`) those whose
// names it knows, or by their order if the file names none.
export function place(columns: readonly FileColumn[], there: readonly Column[] | undefined, unnamed = false): Placed[] {
  if (!there)
    return columns.map((column) => ({
      ...column,
      target: column.target ?? column.source,
      skip: column.nested || (column.skip ?? false),
    }));
  const named = (name: string | undefined) => there.find((one) => one.name === name);
  const exact = columns.map(({ target, source }) => named(target) ?? named(source));
  const left = there.filter((one) => !exact.includes(one));
  return columns.map((column, index) => {
    const alike = left.filter(({ name }) => fold(name) === fold(column.source));
    const found = exact[index] ?? (alike.length === 1 ? alike[0] : undefined) ?? (unnamed ? left[index] : undefined);
    return {
      ...column,
      type: found?.type ?? column.type,
      target: found?.name ?? "",
      skip: column.nested || (column.skip ?? !found),
    };
  });
}

// "Dep. Delay" and "dep_delay" are alike.
const fold = (name: string) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

export const isTime = (type: ColumnType) => type === "date" || type === "date-time";
export const isNumber = (type: ColumnType) => type === "integer" || type === "number";

type Rule = MessageInitShape<typeof Format_ColumnSchema>;

function ruleOf({ source, target, skip, type, transform }: Placed): Rule {
  if (skip) return { source, skip };
  const { trim, letters, nullTokens, dateFormat, decimal, thousands, lookup } = transform;
  return {
    source,
    ...(target !== source && { column: target }),
    ...(trim && { trim }),
    ...(letters && { case: letters }),
    ...(nullTokens.length > 0 && { nullTokens }),
    ...(isTime(type) && dateFormat && { dateFormat }),
    ...(isNumber(type) && decimal && { decimal }),
    ...(isNumber(type) && thousands && { thousands }),
    ...(lookup && { lookup }),
  };
}

// As a format holds them: only columns about which there is something to say; of a file without a header all, in order,
// because the rules name them.
export const rulesOf = (columns: readonly Placed[], unnamed: boolean): Rule[] =>
  columns.map(ruleOf).filter((rule) => unnamed || Object.keys(rule).length > 1);

// Fields of one column at fault: "lookup.take" -> sentence.
export type ColumnFaults = Record<string, string>;

// What keeps the columns from being imported, by the name in the file.
export function faultsIn(columns: readonly Placed[]): Record<string, ColumnFaults> {
  const filled = new Map<string, string>();
  const faults: Record<string, ColumnFaults> = {};
  for (const { source, target, skip, transform } of columns) {
    if (skip) continue;
    const found: ColumnFaults = {};
    const other = filled.get(target);
    if (target === "") found.column = "Choose where it goes, or skip it.";
    else if (other !== undefined) found.column = `“${other}” goes there already.`;
    else filled.set(target, source);
    if (transform.lookup && !transform.lookup.match) found["lookup.match"] = "Choose what is compared.";
    if (transform.lookup && !transform.lookup.take) found["lookup.take"] = "Choose what is taken.";
    if (Object.keys(found).length > 0) faults[source] = found;
  }
  const [first] = columns;
  if (first && columns.every(({ skip }) => skip)) faults[first.source] = { skip: "Something must be left to import." };
  return faults;
}

// The server's words about the rules that it was sent: "columns[2].lookup.take" -> the column's name -> "lookup.take".
export function columnFaults(fields: Record<string, string>, rules: readonly Rule[]): Record<string, ColumnFaults> {
  const faults: Record<string, ColumnFaults> = {};
  for (const [field, fault] of Object.entries(fields)) {
    const [, index, name = ""] = /^columns\[(\d+)\]\.(\w+(?:\.\w+)?)/.exec(field) ?? [];
    const source = rules[Number(index)]?.source;
    if (index !== undefined && source !== undefined) faults[source] = { ...faults[source], [name]: fault };
  }
  return faults;
}

// "trimmed, DD.MM.YYYY": what happens to the cells.
export function describeTransform({ type, transform }: Placed): string {
  const { trim, letters, nullTokens, dateFormat, decimal, thousands, lookup } = transform;
  const digits = `1${thousands}${thousands ? "000" : ""}${decimal || "."}5`;
  return [
    trim && "trimmed",
    letters === Format_Case.UPPER && "upper case",
    letters === Format_Case.LOWER && "lower case",
    nullTokens.length > 0 && `empty: ${nullTokens.join(", ")}`,
    isTime(type) && dateFormat,
    isNumber(type) && (decimal || thousands) && digits,
    lookup && `looked up in ${lookup.dataset.slice("datasets/".length)}`,
  ]
    .filter(Boolean)
    .join(", ");
}

// "2 left out (x, y); dep → dep_time": what a last look should see.
export function describeColumns(columns: readonly Placed[]): string {
  const skipped = columns.filter(({ skip }) => skip).map(({ source }) => source);
  const renamed = columns.filter(({ skip, source, target }) => !skip && source !== target);
  const kept = columns.length - skipped.length;
  return [
    skipped.length === 0 ? `all ${kept}` : `${kept} of ${columns.length}, without ${skipped.join(", ")}`,
    ...renamed.map(({ source, target }) => `${source} → ${target}`),
  ].join("; ");
}
