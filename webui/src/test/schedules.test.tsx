import { Code } from "@connectrpc/connect";
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { beforeAll, describe, expect, it } from "vitest";
import { Schedule_Overlap } from "@/gen/services/runs/v1/runs_pb";
import { refusal, schedule } from "./factories";
import { busyHouse } from "./house/busy";
import { FakeHouse } from "./house/house";
import { renderConsole } from "./render";

// The forms are a part of their own; reading it the first time is no concern of these tests.
beforeAll(() => import("@/components/forms/schema-form"));

describe("schedules", () => {
  it("are listed with their times in words", async () => {
    renderConsole(busyHouse(), "/schedules");
    const table = within(await screen.findByRole("table", { name: "Schedules" }));
    expect(table.getByRole("link", { name: "Nightly import" })).toBeDefined();
    expect(table.getByText("At 06:30 from Monday to Friday")).toBeDefined();
    expect(table.getByText("Paused")).toBeDefined();
    expect(table.getByText("the process itself")).toBeDefined();
  });

  it("explain themselves while there are none", async () => {
    const house = new FakeHouse();
    const { user } = renderConsole(house, "/schedules");
    expect(await screen.findByText("No schedules yet")).toBeDefined();
    await user.click(screen.getByRole("button", { name: "New schedule" }));
    expect(await screen.findByRole("heading", { name: "New schedule" })).toBeDefined();
  });

  it("offer nothing to those who may only look", async () => {
    const house = busyHouse();
    house.permissions = ["runs.read"];
    renderConsole(house, "/schedules/nightly-import");
    expect(await screen.findByTestId("next-times")).toBeDefined();
    expect(screen.queryByRole("button", { name: "Run now" })).toBeNull();
  });

  it("can be edited where nobody has named a time zone", async () => {
    const house = busyHouse();
    house.schedules = [schedule({ timeZone: "" })];
    renderConsole(house, "/schedules/nightly-import?edit=true");
    expect(await screen.findByRole("combobox", { name: "Time zone" })).toHaveProperty("value", "UTC");
  });

  it("that a process brings along are the administrators' to pause, and nobody's to delete", async () => {
    const house = busyHouse();
    house.permissions = ["runs.*"];
    const own = house.schedules.find(({ actor }) => actor.startsWith("processes/"));
    renderConsole(house, `/${own?.name ?? ""}`);
    expect(await screen.findByRole("button", { name: "Run now" })).toBeDefined();
    expect(screen.queryByRole("button", { name: /Pause|Resume|Delete/ })).toBeNull();
  });
});

describe("a new schedule", () => {
  it("is made of times, rules and the input of its runs; faults stand at their fields", async () => {
    const house = busyHouse();
    house.faults.createSchedule = refusal(Code.InvalidArgument, "INVALID_FIELD", "never fires", {
      "schedule.cron": "never fires: there is no such day",
      "schedule.input.email": "is not known",
    });
    const { user, router } = renderConsole(house, "/schedules?create=true&process=onboarding");
    await user.type(await screen.findByRole("textbox", { name: "Title" }), "Monthly newcomer");
    expect(screen.getByRole("textbox", { name: /^Name/ })).toHaveProperty("value", "monthly-newcomer");
    await user.type(await screen.findByRole("textbox", { name: /Email/ }), "grace@example.org");
    await user.type(screen.getByRole("textbox", { name: /Display name/ }), "Grace");
    await user.click(screen.getByRole("combobox", { name: /Role/ }));
    await user.click(await screen.findByRole("option", { name: "Member", hidden: true }));
    await user.click(screen.getByRole("button", { name: "Create schedule" }));
    expect(await screen.findByText("This is needed.")).toBeDefined();
    expect(house.requests("createSchedule")).toEqual([]);

    fireEvent.change(screen.getByRole("combobox", { name: /Times/ }), { target: { value: "0 7 30 2 *" } });
    expect(screen.getByTestId("cron-words").textContent).toContain("At 07:00 on day 30 of the month in February");
    await user.click(screen.getByRole("combobox", { name: /If the last run is still open/ }));
    await user.click(await screen.findByRole("option", { name: "Start beside it", hidden: true }));
    await user.click(screen.getByRole("button", { name: "Create schedule" }));
    expect(await screen.findByText("Never fires: there is no such day")).toBeDefined();
    expect(await screen.findAllByText("Is not known")).not.toEqual([]);

    house.faults = {};
    fireEvent.change(screen.getByRole("combobox", { name: /Times/ }), { target: { value: "0 7 1 * *" } });
    await user.click(screen.getByRole("button", { name: "Create schedule" }));
    await waitFor(() => expect(router.state.location.pathname).toBe("/schedules/monthly-newcomer"));
    expect(await screen.findByTestId("next-times")).toBeDefined();
    expect(house.requests("createSchedule").at(-1)).toMatchObject({
      scheduleId: "monthly-newcomer",
      schedule: {
        title: "Monthly newcomer",
        process: "onboarding",
        cron: "0 7 1 * *",
        overlap: Schedule_Overlap.ALLOW,
        catchupSeconds: 3600n,
        input: { email: "grace@example.org", displayName: "Grace", role: "member" },
      },
    });
  });
});

describe("a schedule", () => {
  it("is paused and resumed with a reason", async () => {
    const house = busyHouse();
    const { user } = renderConsole(house, "/schedules/nightly-import");
    await user.click(await screen.findByRole("button", { name: "Pause" }));
    const dialog = within(await screen.findByRole("dialog"));
    await user.type(dialog.getByLabelText("Reason"), "stocktaking");
    await user.click(dialog.getByRole("button", { name: "Pause" }));
    expect((await screen.findByTestId("schedule-paused")).textContent).toContain("stocktaking");
    expect(screen.getByText("None while it is paused.")).toBeDefined();
    await user.click(await screen.findByRole("button", { name: "Resume" }));
    await user.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Resume" }));
    await waitFor(() => expect(screen.queryByTestId("schedule-paused")).toBeNull());
  });

  it("runs now, and leads to the run", async () => {
    const house = busyHouse();
    const { user, router } = renderConsole(house, "/schedules/nightly-import");
    await user.click(await screen.findByRole("button", { name: "Run now" }));
    await user.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Run now" }));
    await waitFor(() => expect(router.state.location.pathname).toMatch(/^\/runs\//));
    expect(await screen.findByRole("link", { name: "nightly-import" })).toBeDefined();
  });

  it("makes up for a time past, and refuses one that runs backwards", async () => {
    const house = busyHouse();
    const { user } = renderConsole(house, "/schedules/nightly-import");
    await user.click(await screen.findByRole("button", { name: "Backfill" }));
    const dialog = within(await screen.findByRole("dialog"));
    const set = (label: RegExp, value: string) => fireEvent.change(dialog.getByLabelText(label), { target: { value } });
    set(/^From/, "2026-11-20T00:00");
    set(/^Until/, "2026-11-19T00:00");
    expect(dialog.getByText("This lies before the beginning.")).toBeDefined();
    expect(dialog.getByRole("button", { name: "Start these runs" })).toHaveProperty("disabled", true);
    set(/^Until/, "2026-11-21T00:00");
    await user.click(dialog.getByRole("button", { name: "Start these runs" }));
    expect(await screen.findByText("3 runs for the times in between.")).toBeDefined();
    expect(await screen.findAllByText("Queued")).not.toEqual([]);
  });

  it("is changed, but for its process", async () => {
    const house = busyHouse();
    const { user } = renderConsole(house, "/schedules/nightly-import?edit=true");
    const title = await screen.findByRole("textbox", { name: "Title" });
    await user.clear(title);
    await user.type(title, "Early import");
    expect(screen.getByRole("combobox", { name: /Process/ })).toHaveProperty("disabled", true);
    await user.click(await screen.findByRole("button", { name: "Save changes" }));
    expect(await screen.findByRole("heading", { level: 1, name: "Early import" })).toBeDefined();
    expect(house.requests("updateSchedule")).toMatchObject([
      { updateMask: { paths: ["title", "input", "cron", "time_zone", "overlap", "catchup_seconds"] } },
    ]);
  });

  it("of a process itself can be paused, not changed or deleted", async () => {
    renderConsole(busyHouse(), "/schedules/digest");
    expect(await screen.findByRole("button", { name: "Resume" })).toBeDefined();
    expect(screen.queryByRole("button", { name: "Edit" })).toBeNull();
    expect(screen.queryByRole("button", { name: "Delete" })).toBeNull();
  });

  it("is deleted after a question", async () => {
    const house = busyHouse();
    const { user, router } = renderConsole(house, "/schedules/nightly-import");
    await user.click(await screen.findByRole("button", { name: "Delete" }));
    await user.click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Delete schedule" }));
    await waitFor(() => expect(router.state.location.pathname).toBe("/schedules"));
    expect(house.schedules).toHaveLength(1);
  });

  it("that is gone says so", async () => {
    renderConsole(busyHouse(), "/schedules/gone");
    expect((await screen.findByRole("alert")).textContent).toContain("There is nothing here, or you may not see it.");
  });
});
