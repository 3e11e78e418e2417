import { Code } from "@connectrpc/connect";
import { screen, waitFor, within } from "@testing-library/react";
import { beforeAll, describe, expect, it } from "vitest";
import { Task_State } from "@/gen/services/runs/v1/runs_pb";
import { idOf } from "@/lib/names";
import { refusal, task } from "./factories";
import { busyHouse } from "./house/busy";
import { FakeHouse } from "./house/house";
import { renderConsole } from "./render";

// The forms are a part of their own; reading it the first time is no concern of these tests.
beforeAll(() => import("@/components/forms/schema-form"));

describe("the inbox", () => {
  it("wants a reason to reject, and sends what the person saw", async () => {
    const house = busyHouse();
    const { user } = renderConsole(house, `/inbox?task=${idOf(house.tasks[1]?.name ?? "")}`);
    const panel = within(await screen.findByTestId("task-panel"));
    await user.click(panel.getByRole("button", { name: "Turn away" }));
    expect(await panel.findByText("Say why: “Turn away” needs a reason.")).toBeDefined();
    await user.type(panel.getByLabelText("Reason"), "not known here");
    await user.click(panel.getByRole("button", { name: "Turn away" }));
    await waitFor(() => expect(house.tasks[1]).toMatchObject({ state: Task_State.DECIDED, reason: "not known here" }));
  });

  it("is kind about a decision that came too late", async () => {
    const house = busyHouse();
    house.faults.decideTask = refusal(Code.FailedPrecondition, "ALREADY_DECIDED", "decided by users/barbara");
    const { user } = renderConsole(house, `/inbox?task=${idOf(house.tasks[1]?.name ?? "")}`);
    const panel = within(await screen.findByTestId("task-panel"));
    await user.click(panel.getByRole("button", { name: "Let in" }));
    expect(await panel.findByText(/Somebody else has already decided this/)).toBeDefined();
  });

  it("shows what a decision rests on: deadline, votes, documents, who may not decide", async () => {
    const house = busyHouse();
    renderConsole(house, `/inbox?task=${idOf(house.tasks[1]?.name ?? "")}`);
    const panel = within(await screen.findByTestId("task-panel"));
    expect(panel.getByText("Overdue")).toBeDefined();
    expect(panel.getByText("Escalated: nobody decided in time")).toBeDefined();
    expect(panel.getByText("1 of 2 approvals")).toBeDefined();
    expect(panel.getByText(/Four eyes: who started the run may not decide/)).toBeDefined();
    expect(await panel.findByRole("button", { name: /^Download flights.csv.gz/ })).toBeDefined();
  });

  it("counts a vote that is not the last one", async () => {
    const house = busyHouse();
    const asked = task({ title: "Pay 90,000", quorum: 3 });
    house.tasks = [asked];
    const { user } = renderConsole(house, `/inbox?view=open&task=${idOf(asked.name)}`);
    const panel = within(await screen.findByTestId("task-panel"));
    await user.click(panel.getByRole("button", { name: "Approve" }));
    expect(await screen.findByText("Your vote counts; others must still approve.")).toBeDefined();
    expect(await panel.findByText("1 of 3 approvals")).toBeDefined();
    expect(panel.getByText("You have given your vote. Others decide the rest.")).toBeDefined();
  });

  it("gives a task to somebody else, and says at the field who can't have it", async () => {
    const house = busyHouse();
    house.faults.delegateTask = refusal(Code.InvalidArgument, "INVALID_FIELD", "the person may not decide", {
      assignee: "may not decide tasks",
    });
    const { user } = renderConsole(house, `/inbox?task=${idOf(house.tasks[1]?.name ?? "")}`);
    await user.click(within(await screen.findByTestId("task-panel")).getByRole("button", { name: "Delegate" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.click(await dialog.findByRole("combobox", { name: /To/ }));
    await user.click(await screen.findByRole("option", { name: /Barbara Liskov/, hidden: true }));
    await user.click(dialog.getByRole("button", { name: "Delegate" }));
    expect(await dialog.findByText("May not decide tasks")).toBeDefined();
    house.faults = {};
    await user.click(dialog.getByRole("button", { name: "Delegate" }));
    await waitFor(() => expect(house.tasks[1]).toMatchObject({ assignee: "users/barbara", delegatedBy: "users/ada" }));
  });

  it("claims and releases", async () => {
    const house = busyHouse();
    const { user } = renderConsole(house, `/inbox?task=${idOf(house.tasks[1]?.name ?? "")}`);
    const panel = within(await screen.findByTestId("task-panel"));
    await user.click(panel.getByRole("button", { name: "Claim" }));
    await user.click(await panel.findByRole("button", { name: "Release" }));
    expect(await panel.findByRole("button", { name: "Claim" })).toBeDefined();
  });

  it("takes back what the viewer delegated, from whoever has it", async () => {
    const house = busyHouse();
    house.permissions = ["runs.read", "tasks.*"];
    const given = task({ assignee: "users/barbara", claimedBy: "users/barbara", delegatedBy: "users/ada", decidable: false });
    house.tasks = [given];
    const { user } = renderConsole(house, `/inbox?view=open&task=${idOf(given.name)}`);
    const panel = within(await screen.findByTestId("task-panel"));
    expect(panel.queryByRole("button", { name: "Release" })).toBeNull();
    await user.click(panel.getByRole("button", { name: "Take back" }));
    expect(await screen.findByText("Taken back: the task is for whom it was first.")).toBeDefined();
    expect(house.requests("releaseTask")).toMatchObject([{ name: given.name }]);
    expect(await panel.findByRole("button", { name: "Approve" })).toBeDefined();
    expect(panel.queryByRole("button", { name: "Take back" })).toBeNull();
  });

  it.each([
    ["an administrator ends anybody's claim", ["*"], "Release"],
    ["others wait for whoever claimed it", ["runs.read", "tasks.*"], undefined],
  ])("%s", async (_, permissions, label) => {
    const house = busyHouse();
    house.permissions = permissions;
    const held = task({ claimedBy: "users/barbara", decidable: false });
    house.tasks = [held];
    renderConsole(house, `/inbox?view=open&task=${idOf(held.name)}`);
    const panel = within(await screen.findByTestId("task-panel"));
    expect(panel.queryByRole("button", { name: /Release|Take back/ })?.textContent).toBe(label);
  });

  it("asks for nothing that a newcomer may not see", async () => {
    const house = busyHouse();
    house.permissions = ["tasks.read", "tasks.decide", "files.write"];
    house.tasks = [task({ title: "Hand in your documents", assignee: "users/ada" })];
    renderConsole(house, "/inbox");
    const panel = within(await screen.findByTestId("task-panel"));
    expect(panel.getByRole("button", { name: "Approve" })).toBeDefined();
    expect(panel.queryByRole("link", { name: "Show the run" })).toBeNull();
    expect(house.requests("listProcesses")).toEqual([]);
  });

  it("keeps mine, all open and what is over apart", async () => {
    const { user } = renderConsole(busyHouse(), "/inbox");
    await screen.findByTestId("task-panel");
    expect(screen.queryByText("Approve Emmy Noether as operator")).toBeNull();
    await user.click(screen.getByRole("radio", { name: "All open" }));
    expect(await screen.findByText("Approve Emmy Noether as operator")).toBeDefined();
    await user.click(screen.getByRole("radio", { name: "Decided and ended" }));
    expect((await screen.findAllByText("Approve Alan Turing as operator")).length).toBeGreaterThan(0);
  });

  it("shows the task that a link names, also when it is over", async () => {
    const house = busyHouse();
    const over = house.tasks.find(({ state }) => state === Task_State.DECIDED);
    renderConsole(house, `/inbox?task=${idOf(over?.name ?? "")}`);
    const panel = within(await screen.findByTestId("task-panel"));
    expect(panel.getByText("Approved")).toBeDefined();
    expect(panel.getByText("known from the interview")).toBeDefined();
  });

  it("is quiet when nothing waits", async () => {
    renderConsole(new FakeHouse(), "/inbox");
    expect(await screen.findByText("Nothing to decide")).toBeDefined();
  });

  it("draws the form of a decision and sends what was filled in", async () => {
    const house = busyHouse();
    const { user } = renderConsole(house, `/inbox?task=${idOf(house.tasks[0]?.name ?? "")}`);
    const panel = within(await screen.findByTestId("task-panel"));
    await user.click(await panel.findByRole("combobox", { name: /Team/ }));
    await user.click(await screen.findByRole("option", { name: "Compilers", hidden: true }));
    await user.click(panel.getByRole("button", { name: "Approve" }));
    await waitFor(() =>
      expect(house.requests("decideTask")).toMatchObject([{ decision: 1, form: { team: "Compilers" }, version: 1n }]),
    );
  });
});
