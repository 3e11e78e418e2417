import { create, fromJson, type JsonObject } from "@bufbuild/protobuf";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Event, EventSchema, ProgressSchema } from "@/gen/events/v1/event_pb";
import { Run_State, Step_State } from "@/gen/services/runs/v1/runs_pb";
import { idOf } from "@/lib/names";
import { ago } from "@/test/factories";
import { busyHouse } from "@/test/house/busy";
import { launch, openConsole } from "./console";
import { house as pagesHouse, pages } from "./pages";

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

const picture = (name: string) => ({ path: `screenshots/${name}.png` });

it("imports a file: upload, columns, key, start, rows counted live, summary", async () => {
  const house = busyHouse();
  const { page, live, open, close, complaints } = await openConsole(browser, house);
  await open("/import");
  await page
    .getByTestId("import-file")
    .setInputFiles({ name: "flights.csv.gz", mimeType: "application/gzip", buffer: Buffer.from("time_hour,carrier\n") });
  await page.getByRole("form", { name: "New dataset" }).waitFor();
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("flights-2013");
  for (const column of ["time_hour", "carrier", "flight"])
    await page.getByRole("checkbox", { name: `${column} is part of the key` }).check();
  await page.screenshot(picture("journey-columns"));
  await page.getByRole("button", { name: "Create and continue" }).click();
  await page.getByText("Ready to import").waitFor();
  await page.screenshot(picture("journey-ready"));
  await page.getByRole("button", { name: "Start the import" }).click();
  await page.getByTestId("run-state").waitFor();
  expect(house.requests("startRun")).toMatchObject([
    { process: "recordimport", input: { dataset: "datasets/flights-2013", mode: "UPSERT" } },
  ]);

  const run = house.runs[0];
  if (!run) throw new Error("no run");
  const topic = `run:${idOf(run.name)}`;
  const journal: Event[] = [];
  house.events.set(run.name, journal);
  const say = (seq: number, told: JsonObject) => {
    const event = { run: run.name, seq: String(seq), time: new Date().toISOString(), state: "RUNNING", ...told };
    journal.push(fromJson(EventSchema, event));
    live()?.send(JSON.stringify({ type: "event", topic, seq, event }));
  };
  const progress = (done: number) => ({ done: String(done), total: "336776", unit: "rows" });
  say(1, { kind: "step.started", step: "plan", attempt: 1 });
  say(2, { kind: "step.succeeded", step: "plan", attempt: 1, progress: progress(0) });
  say(3, { kind: "step.started", step: "import", item: 1, attempt: 1 });
  say(4, { kind: "step.succeeded", step: "import", item: 1, attempt: 1, progress: progress(20_000) });
  await page.getByText("20,000 of 336,776 rows").waitFor();
  await page.locator('[data-testid="step-import"][data-state="RUNNING"]').waitFor();
  house.runs[0] = {
    ...run,
    seq: 5n,
    state: Run_State.COMPLETED,
    endTime: ago(0),
    progress: create(ProgressSchema, { done: 336_776n, total: 336_776n, unit: "rows" }),
    steps: run.steps.map((step) => ({ ...step, state: Step_State.SUCCEEDED })),
    result: { read: "336776", inserted: "336776", updated: "0", unchanged: "0", rejected: "0" },
  };
  say(5, { kind: "run.completed", state: "COMPLETED", progress: progress(336_776) });
  await page.getByTestId("result-inserted").getByText("336,776").waitFor();
  await page.screenshot(picture("journey-imported"));
  expect(complaints).toEqual([]);
  await close();
});

it("polls while the socket is down, and says so", async () => {
  const house = busyHouse();
  const { page, live, open, close } = await openConsole(browser, house);
  await open("/runs");
  await page.locator('[data-testid="live-status"][data-status="open"]').waitFor();
  await live()?.close();
  await page.locator('[data-testid="live-status"][data-status="down"]').waitFor();
  await page.locator('[data-testid="live-status"][data-status="open"]').waitFor();
  await close();
});

it("registers a client, cancels a run and opens a record under the real policy", async () => {
  const house = busyHouse();
  const { page, open, close, complaints } = await openConsole(browser, house, { colorScheme: "dark" });
  await open("/clients");
  await page.getByRole("button", { name: "Register a client" }).click();
  await page.getByRole("textbox", { name: "Title" }).fill("Nightly");
  await page.getByRole("checkbox", { name: "records:write" }).check();
  await page.screenshot(picture("journey-register"));
  await page.getByRole("button", { name: "Register", exact: true }).click();
  await page.getByTestId("client-secret").waitFor();
  await page.screenshot(picture("journey-secret"));
  await page.getByRole("button", { name: "I have copied it" }).click();
  await open(`/runs/${idOf(house.runs[0]?.name ?? "")}`);
  await page.getByRole("button", { name: "Cancel run" }).click();
  await page.getByRole("textbox", { name: "Reason" }).fill("wrong file");
  await page.screenshot(picture("journey-cancel"));
  await page.getByRole("dialog").getByRole("button", { name: "Cancel run" }).click();
  await page.getByTestId("run-state").getByText("Compensating").waitFor();
  await open("/datasets/flights");
  await page
    .getByRole("button", { name: /^Details of/ })
    .first()
    .click();
  await page.getByRole("dialog").getByText("datasets/flights/records/0").waitFor();
  await page.screenshot(picture("journey-record"));
  expect(complaints).toEqual([]);
  await close();
});

it("resets a run to a step that is chosen in the diagram, and commands many runs at once", async () => {
  const house = busyHouse();
  const { page, open, close, complaints } = await openConsole(browser, house);
  await open(`/runs/${idOf(house.runs[0]?.name ?? "")}`);
  await page.getByRole("button", { name: "More commands" }).click();
  await page.getByRole("menuitem", { name: "Reset to a step" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Reason" }).fill("the file was cut wrongly");
  await dialog.getByTestId("run-diagram").getByText("Read and cut the file").click();
  await page.screenshot(picture("journey-reset"));
  expect(await dialog.getByRole("radio", { name: "Read and cut the file" }).isChecked()).toBe(true);
  await dialog.getByRole("button", { name: "Reset to a step" }).click();
  await expect.poll(() => house.requests("resetRun")).toMatchObject([{ step: "plan" }]);
  await open("/runs?state=RUNNING");
  await page.getByRole("button", { name: "Command all of these" }).click();
  await page.getByRole("dialog").getByRole("textbox", { name: "Reason" }).fill("maintenance");
  await page.screenshot(picture("journey-bulk"));
  expect(complaints).toEqual([]);
  await close();
});

it("works with the keyboard alone and on a small screen", async () => {
  const { page, open, close, complaints } = await openConsole(browser, busyHouse(), { viewport: { width: 390, height: 780 } });
  await open("/runs");
  await page.getByRole("link", { name: "flights.csv.gz into flights" }).waitFor();
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Skip to content");
  await page.keyboard.press("Enter");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("content");
  await page.screenshot(picture("small-runs"));
  await page.getByRole("button", { name: "Navigation" }).press("Enter");
  await page.getByRole("link", { name: /^Inbox/ }).press("Enter");
  await page.getByRole("heading", { name: "Inbox" }).waitFor();
  await page.screenshot(picture("small-inbox"));
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  expect(complaints).toEqual([]);
  await close();
});

it("keeps every page within the width of a telephone", async () => {
  const { page, open, close, complaints } = await openConsole(browser, pagesHouse, { viewport: { width: 400, height: 820 } });
  const wide: string[] = [];
  for (const [name, path] of Object.entries(pages)) {
    await open(path);
    if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) wide.push(name);
  }
  expect(wide).toEqual([]);
  expect(complaints).toEqual([]);
  await close();
}, 180_000);
