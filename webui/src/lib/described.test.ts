import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { instantOf, isNothing, labelOf, propertiesOf, readable } from "./described";

describe("a described value", () => {
  it("has its fields in the order of the message, definitions followed", () => {
    const schema = {
      $defs: { Counts: { type: "object", properties: { runs: { type: "integer" } } } },
      properties: {
        left: { $ref: "#/$defs/Counts", description: "Afterwards.", "x-order": 1 },
        user: { type: "string", "x-order": 0 },
      },
    };
    expect(propertiesOf(schema).map(([name]) => name)).toEqual(["user", "left"]);
    const [, [, left] = []] = propertiesOf(schema);
    expect(propertiesOf(left, schema)).toEqual([["runs", { type: "integer" }]]);
  });

  it("is labelled without its unit", () => {
    expect(["latencyMs", "certificateSha256", "sha256", "decidedBy", "catchupSeconds", "seconds"].map(labelOf)).toEqual([
      "Latency",
      "Certificate SHA-256",
      "SHA-256",
      "Decided by",
      "Catchup",
      "Seconds",
    ]);
  });

  it.each<[string, JsonValue, JsonObject, string | undefined]>([
    ["rows", "336776", { type: "integer" }, "336,776"],
    ["customer", "4711", { type: "string" }, undefined],
    ["bytes", "8200150", { type: "integer" }, "8.2 MB"],
    ["latencyMs", 4200, {}, "4.2 s"],
    ["waitSeconds", 90, { type: "integer" }, "1 min 30 s"],
    ["took", "3.500s", { type: "string" }, "3.5 s"],
    ["year", 2013, {}, "2013"],
    ["account", true, { type: "boolean" }, "Yes"],
    ["user", "users/ada", { type: "string" }, undefined],
  ])("%s %s reads well", (name, value, schema, text) => {
    expect(readable(name, value, schema)).toBe(text);
  });

  it("knows instants, and what says nothing", () => {
    expect(instantOf("2026-11-23T01:30:00Z")?.getTime()).toBe(Date.UTC(2026, 10, 23, 1, 30));
    expect(instantOf("2026-11-23")).toBeUndefined();
    expect(["", null, [], "VARIANT_UNSPECIFIED", 0, false].map(isNothing)).toEqual([true, true, true, true, false, false]);
  });
});
