import { Code, ConnectError } from "@connectrpc/connect";
import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { Run_State, Task_State } from "@/gen/services/runs/v1/runs_pb";
import { idOf } from "@/lib/names";
import { ago } from "./factories";
import { busyHouse, FakeHouse } from "./fake";
import { renderConsole } from "./render";

// Whole pages: real routes, real queries, the generated clients, and a house that answers.

describe("the shell", () => {
  it("shows only what the viewer may do", async () => {
    const house = busyHouse();
    house.permissions = ["runs.read", "tasks.read", "records.read"];
    renderConsole(house, "/runs");
    const main = within(await screen.findByRole("navigation", { name: "Main" }));
    expect(main.getByRole("link", { name: /Runs/ })).toBeDefined();
    expect(main.queryByRole("link", { name: "People" })).toBeNull();
    expect(main.queryByRole("link", { name: "Clients" })).toBeNull();
    expect(await screen.findByText("flights.csv.gz into flights")).toBeDefined();
    expect(screen.queryByRole("link", { name: "Start a process" })).toBeNull();
  });

  it("says so on a page that the viewer may not see", async () => {
    const house = busyHouse();
    house.permissions = ["runs.read"];
    renderConsole(house, "/clients");
    expect(await screen.findByText("You may not see this page")).toBeDefined();
  });

  it("counts what waits in the inbox", async () => {
    renderConsole(busyHouse(), "/runs");
    expect(await screen.findByLabelText("2 open tasks")).toBeDefined();
  });
});

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
});

describe("starting", () => {
  it("draws the form, refuses what is incomplete, and starts one run per form", { timeout: 60_000 }, async () => {
    // The forms are a part of their own; reading it the first time is no concern of this test.
    await import("@/components/forms/schema-form");
    const house = busyHouse();
    const { user, router } = renderConsole(house, "/processes/onboarding");
    await user.type(await screen.findByRole("textbox", { name: /Email/ }), "grace");
    await user.click(screen.getByRole("button", { name: "Start" }));
    expect(await screen.findAllByText("This is not an e-mail address.")).not.toEqual([]);
    expect(house.started).toEqual([]);
    await user.type(screen.getByRole("textbox", { name: /Email/ }), "@example.org");
    await user.type(screen.getByRole("textbox", { name: /Display name/ }), "Grace Hopper");
    await user.click(screen.getByRole("combobox", { name: /Role/ }));
    await user.click(await screen.findByRole("option", { name: "Member", hidden: true }));
    await user.click(screen.getByRole("button", { name: "Start" }));
    await waitFor(() => expect(router.state.location.pathname).toMatch(/^\/runs\//));
    expect(house.started).toMatchObject([
      { process: "onboarding", input: { email: "grace@example.org", displayName: "Grace Hopper", role: "member" } },
    ]);
    expect(house.started[0]?.key).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("the inbox", () => {
  it("wants a reason to reject, and sends what the person saw", async () => {
    const house = busyHouse();
    const { user } = renderConsole(house, `/inbox?task=${idOf(house.tasks[1]?.name ?? "")}`);
    const panel = within(await screen.findByTestId("task-panel"));
    await user.click(panel.getByRole("button", { name: "Reject" }));
    expect(await panel.findByText("Say why you reject it.")).toBeDefined();
    await user.type(panel.getByLabelText("Reason"), "not known here");
    await user.click(panel.getByRole("button", { name: "Reject" }));
    await waitFor(() => expect(house.tasks[1]).toMatchObject({ state: Task_State.DECIDED, reason: "not known here" }));
  });

  it("is kind about a decision that came too late", async () => {
    const house = busyHouse();
    house.decide = () => {
      const fault = new ConnectError("decided by users/barbara", Code.FailedPrecondition);
      fault.details = [
        { type: "google.rpc.ErrorInfo", value: new Uint8Array([10, 15, ...new TextEncoder().encode("ALREADY_DECIDED")]) },
      ];
      return fault;
    };
    const { user } = renderConsole(house, `/inbox?task=${idOf(house.tasks[1]?.name ?? "")}`);
    const panel = within(await screen.findByTestId("task-panel"));
    await user.click(panel.getByRole("button", { name: "Approve" }));
    expect(await panel.findByText(/Somebody else has already decided this/)).toBeDefined();
  });
});

describe("records", () => {
  it("puts the fault of a filter at the filter", async () => {
    const house = busyHouse();
    house.recordsFault = new ConnectError("there is no column “carier”", Code.InvalidArgument);
    house.recordsFault.details = [
      { type: "google.rpc.ErrorInfo", value: new Uint8Array([10, 13, ...new TextEncoder().encode("INVALID_FIELD")]) },
    ];
    renderConsole(house, '/datasets/flights?filter=carier%3D"UA"');
    expect(await screen.findByText("There is no column “carier”")).toBeDefined();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("opens a record by keyboard", async () => {
    const { user } = renderConsole(busyHouse(), "/datasets/flights");
    const first = await screen.findByRole("button", { name: /Details of 2013-01-01T05:00:00Z, UA, 1500/ });
    first.focus();
    await user.keyboard("{Enter}");
    expect(await screen.findByText("datasets/flights/records/0")).toBeDefined();
  });
});

describe("clients", () => {
  it("shows a secret once", async () => {
    const { user } = renderConsole(busyHouse(), "/clients");
    await user.click(await screen.findByRole("button", { name: "Register a client" }));
    const form = within(await screen.findByRole("form", { name: "Register a client" }));
    await user.type(form.getByRole("textbox", { name: /Title/ }), "Nightly");
    await user.click(form.getByRole("checkbox", { name: "records:write" }));
    await user.click(form.getByRole("button", { name: "Register" }));
    expect((await screen.findByTestId("client-secret")).textContent).toMatch(/^mshub_/);
    await user.click(screen.getByRole("button", { name: "I have copied it" }));
    await waitFor(() => expect(screen.queryByTestId("client-secret")).toBeNull());
  });
});
