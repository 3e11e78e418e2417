import { create, type JsonObject } from "@bufbuild/protobuf";
import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { ProcessSchema, Run_State } from "@/gen/services/runs/v1/runs_pb";
import { idOf } from "@/lib/names";
import { ago, run } from "./factories";
import { busyHouse } from "./house/busy";
import { renderConsole } from "./render";

// What came of a run, for every shape of a result that the processes have.

const integer = { type: "integer" };
const text = { type: "string" };
// Fields say their place, as the server's schemas do.
const message = (fields: Record<string, JsonObject>, definitions: JsonObject = {}): JsonObject => ({
  $defs: definitions,
  type: "object",
  properties: Object.fromEntries(Object.entries(fields).map(([name, field], index) => [name, { ...field, "x-order": index }])),
});

async function resultOf(process: string, result: JsonObject, resultSchema?: JsonObject) {
  const house = busyHouse();
  if (resultSchema) house.processes = [create(ProcessSchema, { name: `processes/${process}`, title: process, resultSchema })];
  const ended = run({ process, state: Run_State.COMPLETED, endTime: ago(10), result });
  house.runs.push(ended);
  renderConsole(house, `/runs/${idOf(ended.name)}`);
  const shown = within(await screen.findByTestId("run-result"));
  // The schema comes by a call of its own.
  const rows = async (first: string) => {
    await shown.findByRole("row", { name: first });
    return shown.getAllByRole("row").map((row) => row.textContent);
  };
  return { shown, rows };
}

describe("the result", () => {
  it("of an export is a file to download, with its size in words", async () => {
    const { shown, rows } = await resultOf(
      "recordexport",
      {
        rows: "336776",
        sha256: "5f".repeat(32),
        file: "files/0197a000-0000-7000-8000-00000000f11e",
        ambiguousCells: "0",
        bytes: "8200150",
      },
      message({ file: text, rows: integer, bytes: integer, sha256: text, ambiguousCells: integer }),
    );
    expect(await shown.findByRole("button", { name: "Download flights.csv.gz, 8.2 MB" })).toBeDefined();
    expect(await rows("Rows 336,776")).toEqual([
      "Fileflights.csv.gz, 8.2 MB",
      "Rows336,776",
      "Bytes8.2 MB",
      "SHA-2565f5f5f5f5f5f…",
      "Ambiguous cells0",
    ]);
    expect(shown.getByRole("button", { name: "Copy the hash" })).toBeDefined();
  });

  it("of an onboarding names people, and has a dash where there is nothing", async () => {
    const { shown, rows } = await resultOf(
      "onboarding",
      { documents: [], limit: "12000", user: "users/barbara", decidedBy: "users/ada", secondDecidedBy: "" },
      message({ user: text, decidedBy: text, secondDecidedBy: text, documents: { type: "array", items: text }, limit: integer }),
    );
    await shown.findByText("Barbara Liskov");
    expect(await rows("Limit 12,000")).toEqual([
      "UserBarbara Liskov",
      "Decided byYou",
      "Second decided by–",
      "Documents–",
      "Limit12,000",
    ]);
  });

  it("of an onboarding with documents has each as a download", async () => {
    const { shown } = await resultOf("onboarding", {
      documents: ["files/0197a000-0000-7000-8000-00000000f11e", "files/0197a000-0000-7000-8000-00000000f22e"],
    });
    await waitFor(() => expect(shown.getAllByRole("button", { name: /^Download/ })).toHaveLength(2));
  });

  it("of an erasure counts what was there, with the certificate", async () => {
    const counts = { type: "object", properties: { runs: integer, account: { type: "boolean" } } };
    const { shown, rows } = await resultOf(
      "erasure",
      {
        user: "users/0197a000-0000-7000-8000-00000000dead",
        counts: { runs: "1204", account: true },
        certificate: "files/0197a000-0000-7000-8000-00000000f11e",
      },
      message(
        { user: text, counts: { $ref: "#/$defs/Counts", description: "What was there before." }, certificate: text },
        { Counts: counts },
      ),
    );
    expect(await rows("Runs 1,204")).toContain("AccountYes");
    expect(shown.getByText("What was there before.")).toBeDefined();
    expect(await shown.findByRole("button", { name: /^Download/ })).toBeDefined();
  });

  it("of an import that could not keep its list of rejected rows says so", async () => {
    const { shown } = await resultOf("recordimport", {
      read: "3",
      inserted: "2",
      rejected: "1",
      rejects: "",
      warning: "no space left",
    });
    expect(shown.getByRole("note").textContent).toContain("no space left");
    expect(shown.getByTestId("result-rejected").textContent).toBe("1");
    expect(shown.queryByRole("row")).toBeNull();
  });

  it("of a delivery, which no catalogue describes, has its duration in words", async () => {
    const { rows } = await resultOf("webhookdelivery", { event: "runs.run.failed", attempts: 3, status: 200, latencyMs: 4200 });
    expect(await rows("Latency 4.2 s")).toEqual(["Eventruns.run.failed", "Attempts3", "Status200", "Latency4.2 s"]);
  });

  it("of a digest that had nothing to tell says so in numbers", async () => {
    const { rows } = await resultOf(
      "digest",
      { tasks: "0", failedRuns: "0", mails: "0", refused: "0" },
      message({ tasks: integer, failedRuns: integer, mails: integer, refused: integer }),
    );
    expect(await rows("Tasks 0")).toEqual(["Tasks0", "Failed runs0", "Mails0", "Refused0"]);
  });
});
