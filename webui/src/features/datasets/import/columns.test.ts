import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { FormatSchema } from "@/gen/services/records/v1/records_pb";
import type { Column } from "@/lib/columns";
import {
  columnFaults,
  columnsOfFile,
  describeColumns,
  describeTransform,
  faultsIn,
  type FileColumn,
  place,
  rulesOf,
} from "./columns";

const file = (...names: string[]): FileColumn[] =>
  columnsOfFile({
    columns: names.map((name) => ({ name, type: "string", nullable: true })),
    samples: {},
    keyColumns: [],
    rows: 3n,
    format: undefined,
  });
const there = (...names: string[]): Column[] => names.map((name) => ({ name, type: "integer", nullable: true }));
const change = (column: FileColumn | undefined, changes: Partial<FileColumn>) => ({ ...(column as FileColumn), ...changes });

describe("columns of a file", () => {
  it("go into a new dataset under their own names", () => {
    const placed = place(file("a", "b"), undefined);
    expect(placed.map(({ target, skip }) => [target, skip])).toEqual([
      ["a", false],
      ["b", false],
    ]);
    expect(rulesOf(placed, false)).toEqual([]);
  });

  it("find their place in a dataset by the name, the exact one first, and are left out where there is none", () => {
    const placed = place(file("Dep. Delay", "dep_delay", "Air Time", "gate"), there("dep_delay", "air_time"));
    expect(placed.map(({ target, skip, type }) => [target, skip, type])).toEqual([
      ["", true, "string"],
      ["dep_delay", false, "integer"],
      ["air_time", false, "integer"],
      ["", true, "string"],
    ]);
    expect(rulesOf(placed, false)).toEqual([
      { source: "Dep. Delay", skip: true },
      { source: "Air Time", column: "air_time" },
      { source: "gate", skip: true },
    ]);
  });

  it("without names take the dataset's order, and are all named", () => {
    const placed = place(file("column_1", "column_2"), there("tailnum", "seats"), true);
    expect(rulesOf(placed, true)).toEqual([
      { source: "column_1", column: "tailnum" },
      { source: "column_2", column: "seats" },
    ]);
  });

  it("that are lists or objects can only be left out", () => {
    const format = create(FormatSchema, { columns: [{ source: "tags", skip: true }] });
    const columns = columnsOfFile({ columns: there("id"), samples: {}, keyColumns: ["id"], rows: 1n, format });
    expect(rulesOf(place(columns, undefined), false)).toEqual([{ source: "tags", skip: true }]);
    expect(columns[0]?.key).toBe(true);
  });

  it("say only what fits their type", () => {
    const [first, second] = file("day", "price");
    const transform = {
      trim: true,
      letters: 0,
      nullTokens: ["-"],
      dateFormat: "DD.MM.YYYY",
      decimal: ",",
      thousands: ".",
    } as const;
    const said = [
      change(first, { type: "date", transform: { ...transform, nullTokens: [] } }),
      change(second, { type: "number", transform: { ...transform, nullTokens: ["-"] } }),
    ];
    const placed = place(said, undefined);
    expect(rulesOf(placed, false)).toEqual([
      { source: "day", trim: true, dateFormat: "DD.MM.YYYY" },
      { source: "price", trim: true, nullTokens: ["-"], decimal: ",", thousands: "." },
    ]);
    expect(placed.map(describeTransform)).toEqual(["trimmed, DD.MM.YYYY", "trimmed, empty: -, 1.000,5"]);
  });

  it("can't share a place, have none, or look up nothing", () => {
    const [first, second, third] = file("a", "b", "c");
    const lookup = { dataset: "datasets/airlines", match: "", take: "", unknownIsNull: false };
    const columns = [
      change(first, {}),
      change(second, { target: "a" }),
      change(third, { target: "", transform: { ...change(third, {}).transform, lookup } }),
    ];
    expect(faultsIn(place(columns, undefined))).toEqual({
      b: { column: "“a” goes there already." },
      c: {
        column: "Choose where it goes, or skip it.",
        "lookup.match": "Choose what is compared.",
        "lookup.take": "Choose what is taken.",
      },
    });
    expect(faultsIn(place([change(first, { skip: true })], undefined))).toHaveProperty("a.skip");
  });

  it("get the server's faults by the place of their rule", () => {
    const rules = [{ source: "a", skip: true }, { source: "day" }];
    const fields = { "columns[1].dateFormat": "Has D twice", "columns[1].nullTokens[0]": "Is too long", delimiter: "No" };
    expect(columnFaults(fields, rules)).toEqual({ day: { dateFormat: "Has D twice", nullTokens: "Is too long" } });
  });

  it("are told in a line before the start", () => {
    const [first, second] = file("a", "b");
    expect(describeColumns(place([change(first, {}), change(second, {})], undefined))).toBe("all 2");
    expect(describeColumns(place([change(first, { skip: true }), change(second, { target: "x" })], undefined))).toBe(
      "1 of 2, without a; b → x",
    );
  });
});
