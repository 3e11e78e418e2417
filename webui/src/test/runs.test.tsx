import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { Run_State } from "@/gen/services/runs/v1/runs_pb";
import { idOf } from "@/lib/names";
import { ago, refusal, run } from "./factories";
import { busyHouse } from "./house/busy";
import { FakeHouse } from "./house/house";
import { renderConsole } from "./render";

describe("runs", () => {
  it("explains itself while there are none", async () => {
    renderConsole(new FakeHouse(), "/runs");
    expect(await screen.findByText("No runs yet")).toBeDefined();
  });

  it("keeps the filter in the address", async () => {
    const { router } = renderConsole(busyHouse(), "/runs?state=FAILED");
    expect(await screen.findByText("airports.csv into airports")).toBeDefined();
    expect(screen.queryByText("planes.csv into planes")).toBeNull();
    expect(router.state.location.search).toEqual({ state: "FAILED" });
  });

  it("looks again when the organisation's runs change", async () => {
    const house = busyHouse();
    const { server } = renderConsole(house, "/runs");
    await screen.findByText("planes.csv into planes");
    await waitFor(() => expect(server.sent).toContainEqual({ type: "subscribe", topic: "org:1:runs", after: 0 }));
    house.runs = house.runs.map((run) => (run.title === "planes.csv into planes" ? { ...run, title: "renamed" } : run));
    server.say({ type: "hint", topic: "org:1:runs" });
    expect(await screen.findByText("renamed")).toBeDefined();
  });

  it("shows a run's progress as its events come, and its result at the end", async () => {
    const house = busyHouse();
    const run = house.runs[0];
    if (!run) throw new Error("no run");
    const topic = `run:${idOf(run.name)}`;
    const { server } = renderConsole(house, `/runs/${idOf(run.name)}`);
    expect((await screen.findByTestId("run-progress-count")).textContent).toBe("160,000 of 336,776 rows");
    await waitFor(() => expect(server.sent).toContainEqual({ type: "subscribe", topic, after: 9 }));
    const progress = (done: number) => ({ done: String(done), total: "336776", unit: "rows" });
    const say = (seq: number, event: object) =>
      server.say({
        type: "event",
        topic,
        seq,
        event: { run: run.name, seq: String(seq), time: new Date().toISOString(), state: "RUNNING", ...event },
      });
    say(10, { kind: "step.succeeded", step: "import", item: 5, attempt: 1, progress: progress(180_000) });
    await waitFor(() => expect(screen.getByTestId("run-progress-count").textContent).toBe("180,000 of 336,776 rows"));
    expect(screen.getByText("Import the chunks 5")).toBeDefined();
    expect(screen.getByTestId("step-import").dataset.state).toBe("RUNNING");
    house.runs = house.runs.map((known) =>
      known === run
        ? {
            ...run,
            seq: 11n,
            state: Run_State.COMPLETED,
            endTime: ago(0),
            result: { read: "336776", inserted: "336776", rejected: "0" },
          }
        : known,
    );
    say(11, { kind: "run.completed", state: "COMPLETED", progress: progress(336_776) });
    expect((await screen.findByTestId("result-inserted")).textContent).toBe("336,776");
    expect(screen.getByTestId("run-state").textContent).toBe("Completed");
    expect(screen.queryByRole("button", { name: "Pause" })).toBeNull();
  });

  it("pauses after a word of explanation", async () => {
    const house = busyHouse();
    const { user } = renderConsole(house, `/runs/${idOf(house.runs[0]?.name ?? "")}`);
    await user.click(await screen.findByRole("button", { name: "Pause" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.type(dialog.getByLabelText("Reason"), "maintenance");
    await user.click(dialog.getByRole("button", { name: "Pause" }));
    await waitFor(() => expect(screen.getByTestId("run-state").textContent).toBe("Paused"));
    expect(screen.getByRole("button", { name: "Resume" })).toBeDefined();
  });

  it("gives no hint about a run that is not the viewer's", async () => {
    renderConsole(busyHouse(), "/runs/0197a000-0000-7000-8000-ffffffffffff");
    expect((await screen.findByRole("alert")).textContent).toContain("There is nothing here, or you may not see it.");
  });

  it("says when a run ended, never when it will have", async () => {
    const house = busyHouse();
    const run = house.runs[0];
    if (!run) throw new Error("no run");
    // A clock of this computer that is behind, or a page that was drawn before the end.
    house.runs = [{ ...run, state: Run_State.COMPLETED, endTime: timestampFromDate(new Date(Date.now() + 60_000)), result: {} }];
    renderConsole(house, `/runs/${idOf(run.name)}`);
    const about = within(await screen.findByRole("region", { name: "About" }));
    expect(about.getByText("just now")).toBeDefined();
    expect(about.queryByText(/^in /)).toBeNull();
  });
});

describe("a run that could not begin", () => {
  it("says what a person can do, and keeps the server's words", async () => {
    const house = new FakeHouse();
    const message = "the run can't begin, and nothing was done: Temporal refuses it (blob exceeds the limit)";
    const refused = run({ state: Run_State.FAILED, error: { code: "invalid_argument", reason: "UNLAUNCHABLE", message } });
    house.runs = [refused];
    renderConsole(house, `/runs/${idOf(refused.name)}`);
    const notice = within(await screen.findByTestId("run-error"));
    expect(notice.getByText(/Perhaps its input is too large/)).toBeDefined();
    expect(notice.getByText(/blob exceeds the limit/)).toBeDefined();
  });
});

describe("the list of runs", () => {
  it("searches while the person types, and keeps it in the address", async () => {
    const { user, router } = renderConsole(busyHouse(), "/runs");
    await screen.findByText("planes.csv into planes");
    await user.type(screen.getByRole("searchbox", { name: "Search runs" }), "weather");
    await waitFor(() => expect(router.state.location.search).toMatchObject({ search: "weather" }));
    await waitFor(() => expect(screen.queryByText("planes.csv into planes")).toBeNull());
    expect(screen.getByText("weather.csv into weather")).toBeDefined();
    expect(screen.getByRole("searchbox", { name: "Search runs" })).toHaveProperty("value", "weather");
  });

  it("finds what is parked", async () => {
    renderConsole(busyHouse(), "/runs?state=PARKED");
    expect(await screen.findByText("margaret@example.org")).toBeDefined();
    expect(screen.queryByText("planes.csv into planes")).toBeNull();
  });

  it("says what is wrong with a filter", async () => {
    const house = busyHouse();
    house.faults.listRuns = refusal(Code.InvalidArgument, "INVALID_FIELD", "there is no process “imports”");
    renderConsole(house, "/runs?process=imports");
    expect((await screen.findByRole("alert")).textContent).toContain("There is no process “imports”");
  });
});

describe("one command for many runs", () => {
  it("is counted first, then given", async () => {
    const house = busyHouse();
    const { user, router, server } = renderConsole(house, "/runs?state=RUNNING");
    await user.click(await screen.findByRole("button", { name: "Command all of these" }));
    const dialog = within(await screen.findByRole("dialog"));
    expect(dialog.getByRole("button", { name: "Count the runs" })).toHaveProperty("disabled", true);
    await user.type(dialog.getByRole("textbox", { name: /Reason/ }), "maintenance");
    await user.click(dialog.getByRole("button", { name: "Count the runs" }));
    expect(await dialog.findByText(/nothing is done to them yet/)).toBeDefined();
    const counted = house.runs[0];
    const topic = `run:${idOf(counted?.name ?? "")}`;
    await waitFor(() => expect(server.sent).toContainEqual({ type: "subscribe", topic, after: 0 }));
    house.runs = house.runs.map((run) =>
      run === counted ? { ...run, state: Run_State.COMPLETED, endTime: ago(0), seq: 4n, result: { runs: "1234" } } : run,
    );
    server.say({ type: "event", topic, seq: 1, event: { seq: "1", kind: "run.completed", state: "COMPLETED" } });
    await user.click(await dialog.findByRole("button", { name: "Pause: apply to all 1,234" }));
    await waitFor(() => expect(router.state.location.pathname).toMatch(/^\/runs\/.+/));
    expect(house.requests("startRun")).toMatchObject([
      { process: "runbulk", input: { command: "PAUSE", reason: "maintenance", filter: 'state="RUNNING"', dryRun: true } },
      { process: "runbulk", input: { command: "PAUSE", reason: "maintenance", filter: 'state="RUNNING"', dryRun: false } },
    ]);
  });

  it("is not given for a search, which the command would not know, and says why", async () => {
    const { user } = renderConsole(busyHouse(), "/runs?state=RUNNING&search=flights");
    const button = await screen.findByRole("button", {
      name: "Command all of these",
      description: /not only to what the search finds. Clear the search first/,
    });
    expect(button.getAttribute("aria-disabled")).toBe("true");
    await user.click(button);
    expect(screen.queryByRole("dialog")).toBeNull();
  });

  it("is not given to runs that nothing names", async () => {
    renderConsole(busyHouse(), "/runs");
    await screen.findByText("planes.csv into planes");
    expect(screen.queryByRole("button", { name: "Command all of these" })).toBeNull();
  });
});
