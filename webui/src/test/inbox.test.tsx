import { Code } from "@connectrpc/connect";
import { screen, waitFor, within } from "@testing-library/react";
import { beforeAll, describe, expect, it } from "vitest";
import { Task_State } from "@/gen/services/runs/v1/runs_pb";
import { idOf } from "@/lib/names";
import { refusal, task } from "./factories";
import { busyHouse } from "./house/busy";
import { FakeHouse } from "./house/house";
import { renderConsole } from "./render";

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
    house.faults.decideTask = refusal(Code.FailedPrecondition, "ALREADY_DECIDED", "decided by users/barbara");
    const { user } = renderConsole(house, `/inbox?task=${idOf(house.tasks[1]?.name ?? "")}`);
    const panel = within(await screen.findByTestId("task-panel"));
    await user.click(panel.getByRole("button", { name: "Approve" }));
    expect(await panel.findByText(/Somebody else has already decided this/)).toBeDefined();
  });
});
