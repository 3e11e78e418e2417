import { Code } from "@connectrpc/connect";
import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { type Run, Run_Command, Run_State, Step_State } from "@/gen/services/runs/v1/runs_pb";
import { idOf } from "@/lib/names";
import { ago, refusal, run } from "./factories";
import { busyHouse } from "./house/busy";
import type { FakeHouse } from "./house/house";
import { renderConsole } from "./render";

// Operators and their runs: what is offered, what is asked before it happens, what is sent.

function open(house: FakeHouse, shown: Run | undefined) {
  if (!shown) throw new Error("no such run");
  return renderConsole(house, `/runs/${idOf(shown.name)}`);
}

const titled = (house: FakeHouse, title: string) => house.runs.find((one) => one.title === title);

describe("commands", () => {
  it("are those that the server names, and no others", async () => {
    const house = busyHouse();
    const shown = run({ commands: [Run_Command.PAUSE] });
    house.runs.push(shown);
    open(house, shown);
    expect(await screen.findByRole("button", { name: "Pause" })).toBeDefined();
    expect(screen.queryByRole("button", { name: "Cancel run" })).toBeNull();
    expect(screen.queryByRole("button", { name: "More commands" })).toBeNull();
  });

  it("cancel asks whether to keep what was done, if the process can keep it", async () => {
    const house = busyHouse();
    const { user } = open(house, house.runs[0]);
    await user.click(await screen.findByRole("button", { name: "Cancel run" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.click(await dialog.findByRole("radio", { name: "Keep it" }));
    await user.type(dialog.getByLabelText("Reason"), "half is enough");
    await user.click(dialog.getByRole("button", { name: "Cancel run" }));
    await waitFor(() => expect(screen.getByTestId("run-state").textContent).toBe("Compensating"));
    expect(house.requests("cancelRun")).toMatchObject([{ keep: true, reason: "half is enough" }]);
  });

  it("give the focus back to where it was, also to the button of their menu", async () => {
    const house = busyHouse();
    const { user } = open(house, house.runs[0]);
    const cancel = await screen.findByRole("button", { name: "Cancel run" });
    await user.click(cancel);
    await screen.findByRole("dialog");
    await user.keyboard("{Escape}");
    await waitFor(() => expect(document.activeElement).toBe(cancel));
    const more = screen.getByRole("button", { name: "More commands" });
    await user.click(more);
    await user.click(await screen.findByRole("menuitem", { name: "Terminate" }));
    await screen.findByRole("dialog");
    await user.keyboard("{Escape}");
    await waitFor(() => expect(document.activeElement).toBe(more));
  });

  it("cancel has no such choice for a process that undoes", async () => {
    const house = busyHouse();
    const { user } = open(house, titled(house, "grace@example.org"));
    await user.click(await screen.findByRole("button", { name: "Cancel run" }));
    const dialog = within(await screen.findByRole("dialog"));
    expect(await dialog.findByText(/undone step by step, last first/)).toBeDefined();
    expect(dialog.queryByRole("radio")).toBeNull();
  });

  it("terminate warns, wants a reason, and shows why it was refused at the field", async () => {
    const house = busyHouse();
    house.faults.terminateRun = refusal(Code.InvalidArgument, "INVALID_FIELD", "reason is too short", { reason: "is too short" });
    const { user } = open(house, house.runs[0]);
    await user.click(await screen.findByRole("button", { name: "More commands" }));
    await user.click(await screen.findByRole("menuitem", { name: "Terminate", hidden: true }));
    const dialog = within(await screen.findByRole("dialog"));
    expect(dialog.getByText("Nothing will be undone")).toBeDefined();
    const button = dialog.getByRole("button", { name: "Terminate" });
    expect(button).toHaveProperty("disabled", true);
    await user.type(dialog.getByLabelText(/Reason/), "x");
    await user.click(button);
    expect(await dialog.findByText("Is too short")).toBeDefined();
    expect(dialog.getByRole("alert").textContent).toContain("Reason is too short");
  });

  it("reset wants a step that has begun", async () => {
    const house = busyHouse();
    const { user } = open(house, house.runs[0]);
    await user.click(await screen.findByRole("button", { name: "More commands" }));
    await user.click(await screen.findByRole("menuitem", { name: "Reset to a step", hidden: true }));
    const dialog = within(await screen.findByRole("dialog"));
    expect(dialog.queryByRole("radio", { name: "Sum up, write rejects" })).toBeNull();
    await user.type(dialog.getByLabelText(/Reason/), "read it again");
    expect(dialog.getByRole("button", { name: "Reset to a step" })).toHaveProperty("disabled", true);
    await user.click(dialog.getByRole("radio", { name: "Read and cut the file" }));
    await user.click(dialog.getByRole("button", { name: "Reset to a step" }));
    await waitFor(() => expect(house.requests("resetRun")).toMatchObject([{ step: "plan", reason: "read it again" }]));
  });

  it("look again when the server says that the run is not what was shown", async () => {
    const house = busyHouse();
    const shown = house.runs[0];
    house.faults.pauseRun = refusal(Code.FailedPrecondition, "ENDED", "the run is completed");
    const { user } = open(house, shown);
    await user.click(await screen.findByRole("button", { name: "Pause" }));
    const dialog = within(await screen.findByRole("dialog"));
    house.runs = house.runs.map((one) => (one === shown ? { ...one, state: Run_State.COMPLETED, endTime: ago(0), seq: 12n } : one));
    await user.click(dialog.getByRole("button", { name: "Pause" }));
    expect(await dialog.findByText("The run has already ended.")).toBeDefined();
    await waitFor(() => expect(screen.getByTestId("run-state").textContent).toBe("Completed"));
  });

  it("run again leads to the new run, which names the old one", async () => {
    const house = busyHouse();
    const failed = titled(house, "airports.csv into airports");
    const { user, router } = open(house, failed);
    await user.click(await screen.findByRole("button", { name: "Run again" }));
    await user.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Run again" }));
    await waitFor(() => expect(router.state.location.pathname).toBe(`/runs/${idOf(house.runs[0]?.name ?? "")}`));
    expect(await screen.findByText("Retry of")).toBeDefined();
  });
});

describe("a parked run", () => {
  it("says which step failed and why, and what can be done", async () => {
    const house = busyHouse();
    const { user } = open(house, titled(house, "margaret@example.org"));
    const banner = within(await screen.findByTestId("run-parked"));
    expect(banner.getByText("Step “Send the invitation” failed")).toBeDefined();
    expect(banner.getByText("450 mailbox unavailable")).toBeDefined();
    expect(banner.getByText("The run waits for you: retry it, skip it, or undo everything.")).toBeDefined();
    await user.click(banner.getByRole("button", { name: "Skip step" }));
    const dialog = within(await screen.findByRole("dialog"));
    expect(dialog.getByRole("button", { name: "Skip step" })).toHaveProperty("disabled", true);
    await user.type(dialog.getByLabelText(/Reason/), "told by telephone");
    await user.click(dialog.getByRole("button", { name: "Skip step" }));
    await waitFor(() => expect(screen.queryByTestId("run-parked")).toBeNull());
    expect(house.requests("skipStep")).toMatchObject([{ reason: "told by telephone", step: "" }]);
  });

  it("parks before the eyes of its viewer", async () => {
    const house = busyHouse();
    const shown = house.runs[0];
    const { server } = open(house, shown);
    await screen.findByRole("button", { name: "Pause" });
    const topic = `run:${idOf(shown?.name ?? "")}`;
    await waitFor(() => expect(server.sent).toContainEqual({ type: "subscribe", topic, after: 9 }));
    house.runs = house.runs.map((one) =>
      one === shown
        ? {
            ...one,
            seq: 11n,
            state: Run_State.WAITING,
            parked: true,
            steps: one.steps.map((step) =>
              step.name === "import" ? { ...step, state: Step_State.FAILED, message: "no space left" } : step,
            ),
          }
        : one,
    );
    const say = (seq: number, event: object) =>
      server.say({ type: "event", topic, seq, event: { run: shown?.name, seq: String(seq), ...event } });
    say(10, { kind: "step.failed", step: "import", attempt: 3, message: "no space left", state: "RUNNING" });
    say(11, { kind: "run.parked", state: "WAITING" });
    const banner = within(await screen.findByTestId("run-parked"));
    expect(banner.getByText("No space left")).toBeDefined();
    expect(await banner.findByRole("button", { name: "Retry step" })).toBeDefined();
  });
});

describe("a queued run", () => {
  it("shows its place, and moves by priority", async () => {
    const house = busyHouse();
    const { user } = open(house, titled(house, "weather-2014.csv into weather"));
    const note = within(await screen.findByTestId("run-queued"));
    expect(note.getByText("Place 3 in the queue")).toBeDefined();
    await user.click(note.getByRole("button", { name: "Change priority" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.click(dialog.getByRole("radio", { name: "1" }));
    await user.click(dialog.getByRole("button", { name: "Change priority" }));
    await waitFor(() => expect(house.requests("prioritiseRun")).toMatchObject([{ priority: 1 }]));
    expect(await screen.findAllByText(/1: before all others/)).not.toEqual([]);
  });
});

describe("rejected rows", () => {
  const finished = (house: FakeHouse) => titled(house, "planes.csv into planes");

  it("are corrected in place and imported again", async () => {
    const house = busyHouse();
    const { user, router } = open(house, finished(house));
    const rejects = within(await screen.findByTestId("rejects"));
    const row = within(await rejects.findByRole("form", { name: "Row at line 17" }));
    expect(row.getByText("is no whole number")).toBeDefined();
    expect(row.queryByRole("textbox", { name: "tailnum" })).toBeNull();
    await user.clear(row.getByRole("textbox", { name: "seats" }));
    await user.type(row.getByRole("textbox", { name: "seats" }), "55");
    await user.click(row.getByRole("button", { name: "Save correction" }));
    expect(await row.findByText("Corrected")).toBeDefined();
    expect(house.requests("updateReject")).toMatchObject([{ reject: { name: "imports/1/rejects/17", cells: { seats: "55" } } }]);
    await user.click(rejects.getByRole("button", { name: "Import these rows again" }));
    await waitFor(() => expect(router.state.location.pathname).not.toContain(idOf(finished(house)?.name ?? "")));
    expect(house.requests("startRun")).toMatchObject([{ process: "recordimport", input: { rejectsOf: finished(house)?.name } }]);
  });

  it("keep what was typed when it can't be saved", async () => {
    const house = busyHouse();
    house.faults.updateReject = refusal(Code.InvalidArgument, "INVALID_FIELD", "the row is too large", {
      "reject.cells.seats": "is too long",
    });
    const { user } = open(house, finished(house));
    const row = within(await screen.findByRole("form", { name: "Row at line 17" }));
    await user.type(row.getByRole("textbox", { name: "seats" }), "!");
    await user.click(row.getByRole("button", { name: "Save correction" }));
    expect(await row.findByText("Is too long")).toBeDefined();
    expect(row.getByRole("textbox", { name: "seats" })).toHaveProperty("value", "many!");
  });

  it("are not shown to those who may not see records", async () => {
    const house = busyHouse();
    house.permissions = ["runs.read"];
    open(house, finished(house));
    await screen.findByTestId("run-result");
    expect(screen.queryByTestId("rejects")).toBeNull();
  });
});
