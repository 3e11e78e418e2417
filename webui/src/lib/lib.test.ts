import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { columnsOf, datasetIdFrom, schemaOf } from "./columns";
import { problemOf } from "./errors";
import { humanise, shortName } from "./names";
import { formatBytes, formatCount } from "./number";
import { describeScope, permissions, scopes } from "./rules";
import { formatDuration, formatRelative, formatRemaining } from "./time";
import { holds } from "./viewer";

describe("problemOf", () => {
  const message = (...fields: [number, string | Uint8Array][]) => {
    const writer = new BinaryWriter();
    for (const [number, value] of fields) {
      writer.tag(number, WireType.LengthDelimited);
      if (typeof value === "string") writer.string(value);
      else writer.bytes(value);
    }
    return writer.finish();
  };
  const fault = (code: Code, text: string, ...details: { type: string; value: Uint8Array }[]) => {
    const error = new ConnectError(text, code);
    error.details = details;
    return error;
  };

  it("turns a reason into a sentence and keeps the server's words beside it", () => {
    const info = {
      type: "google.rpc.ErrorInfo",
      value: message([1, "ALREADY_DECIDED"], [2, "mshub"], [3, message([1, "by"], [2, "users/1"])]),
    };
    const problem = problemOf(fault(Code.FailedPrecondition, "the task was decided by Barbara", info));
    expect(problem.reason).toBe("ALREADY_DECIDED");
    expect(problem.sentence).toContain("already decided");
    expect(problem.detail).toBe("The task was decided by Barbara");
  });

  it("names the fields of a violation in the form's own spelling", () => {
    const badRequest = {
      type: "google.rpc.BadRequest",
      value: message(
        [1, message([1, "input.display_name"], [2, "is too long"])],
        [1, message([1, "filter"], [2, "unknown column"])],
      ),
    };
    expect(problemOf(fault(Code.InvalidArgument, "invalid", badRequest)).fields).toEqual({
      "input.displayName": "Is too long",
      filter: "Unknown column",
    });
  });

  it.each(["ONLY_PEOPLE", "OWN_SCHEDULE", "TOO_MANY_SCHEDULES"])("has a sentence of its own for %s", (reason) => {
    const info = { type: "google.rpc.ErrorInfo", value: message([1, reason], [2, "mshub"]) };
    const problem = problemOf(fault(Code.FailedPrecondition, "as the server says it", info));
    expect(problem.sentence).not.toBe("As the server says it");
    expect(problem.detail).toBe("As the server says it");
  });

  it("speaks for codes without a reason, and lets the server speak for the rest", () => {
    expect(problemOf(fault(Code.PermissionDenied, "no")).sentence).toBe("You don't have the permission for this.");
    expect(problemOf(fault(Code.InvalidArgument, "the header is empty")).sentence).toBe("The header is empty");
    expect(problemOf(fault(Code.InvalidArgument, "format.columns[1].dateFormat: has DD twice")).sentence).toBe(
      "Date format: has DD twice",
    );
    expect(problemOf(new TypeError("Failed to fetch")).code).toBe(Code.Unavailable);
  });
});

describe("columns", () => {
  it("reads a schema and writes the same one", () => {
    const schema = {
      type: "object",
      properties: {
        mail: { type: "string", format: "email", "x-order": 1 },
        day: { type: "string", format: "date", "x-order": 0 },
        seats: { type: "integer", title: "Seats", "x-order": 2 },
      },
      required: ["day"],
    };
    expect(columnsOf(schema).map(({ name }) => name)).toEqual(["day", "mail", "seats"]);
    expect(schemaOf(columnsOf(schema))).toEqual(schema);
  });

  it("understands null as a type", () => {
    expect(columnsOf({ properties: { delay: { type: ["number", "null"] } }, required: ["delay"] })).toMatchObject([
      { name: "delay", type: "number", nullable: true },
    ]);
  });

  it.each([
    ["flights.csv.gz", "flights"],
    ["Flights 2013 (final).CSV", "flights-2013-final"],
    ["2013.csv", ""],
  ])("names a dataset after %s", (file, id) => expect(datasetIdFrom(file)).toBe(id));
});

it.each([
  [320, "320 ms"],
  [4200, "4.2 s"],
  [125_000, "2 min 5 s"],
  [11_520_000, "3 h 12 min"],
  [86_400_000, "1 d"],
])("duration of %d", (milliseconds, text) => expect(formatDuration(milliseconds)).toBe(text));

it("relates times to now", () => {
  const now = new Date("2026-11-22T12:00:00Z");
  const at = (seconds: number) => formatRelative(new Date(now.getTime() + seconds * 1000), now);
  expect([at(-3), at(-300), at(-86_400), at(2 * 86_400)]).toEqual(["just now", "5 minutes ago", "yesterday", "in 2 days"]);
  expect(formatRemaining(8200)).toBe("9 s");
});

it("writes figures and names as people do", () => {
  expect([formatCount("336776"), formatCount(12n), formatBytes(8_200_150)]).toEqual(["336,776", "12", "8.2 MB"]);
  expect([humanise("displayName"), humanise("TIMED_OUT"), humanise("dep_delay")]).toEqual([
    "Display name",
    "Timed out",
    "Dep delay",
  ]);
  expect([shortName("runs/0197a000-0000-7000-8000-00000000ab12"), shortName("datasets/flights")]).toEqual([
    "runs/…0000ab12",
    "datasets/flights",
  ]);
});

it("knows what a role holds", () => {
  expect([
    holds(["*"], "audit.read"),
    holds(["runs.*"], "runs.write"),
    holds(["runs.read"], "runs.write"),
    holds(["records.*"], "runs.read"),
    holds(["*"], "*"),
    holds(["runs.*", "tasks.*"], "*"),
  ]).toEqual([true, true, false, false, true, false]);
});

it("takes permissions and scopes from the doors", () => {
  expect(permissions).toContain("tasks.decide");
  expect(scopes).toContain("records:write");
  expect(scopes.map(describeScope).every((text) => text.startsWith("See"))).toBe(true);
});
