import { Code } from "@connectrpc/connect";
import { screen, waitFor, within } from "@testing-library/react";
import { beforeAll, describe, expect, it } from "vitest";
import { refusal } from "./factories";
import { busyHouse } from "./house/busy";
import { FakeHouse } from "./house/house";
import { renderConsole } from "./render";

// The forms are a part of their own; reading it the first time is no concern of these tests.
beforeAll(() => import("@/components/forms/schema-form"));

describe("starting", () => {
  it("draws the form, refuses what is incomplete, and starts one run per form", async () => {
    const house = busyHouse();
    const { user, router } = renderConsole(house, "/processes/onboarding");
    await user.type(await screen.findByRole("textbox", { name: /Email/ }), "grace");
    await user.click(screen.getByRole("button", { name: "Start" }));
    expect(await screen.findAllByText("This is not an e-mail address.")).not.toEqual([]);
    expect(house.requests("startRun")).toEqual([]);
    await user.type(screen.getByRole("textbox", { name: /Email/ }), "@example.org");
    await user.type(screen.getByRole("textbox", { name: /Display name/ }), "Grace Hopper");
    await user.click(screen.getByRole("combobox", { name: /Role/ }));
    await user.click(await screen.findByRole("option", { name: "Member", hidden: true }));
    await user.click(screen.getByRole("button", { name: "Start" }));
    await waitFor(() => expect(router.state.location.pathname).toMatch(/^\/runs\//));
    expect(house.requests("startRun")).toMatchObject([
      {
        process: "onboarding",
        input: { email: "grace@example.org", displayName: "Grace Hopper", role: "member" },
        idempotencyKey: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
        key: "",
        priority: 0,
      },
    ]);
  });

  it("takes a key and a priority, and shows at them what the server refuses", async () => {
    const house = busyHouse();
    house.faults.startRun = refusal(Code.InvalidArgument, "INVALID_FIELD", "the key is too long", { key: "is too long" });
    const { user } = renderConsole(house, "/processes/onboarding");
    await user.type(await screen.findByRole("textbox", { name: /Email/ }), "grace@example.org");
    await user.type(screen.getByRole("textbox", { name: /Display name/ }), "Grace Hopper");
    await user.click(screen.getByRole("combobox", { name: /Role/ }));
    await user.click(await screen.findByRole("option", { name: "Member", hidden: true }));
    await user.click(screen.getByRole("button", { name: "Key and priority" }));
    await user.type(await screen.findByRole("textbox", { name: "Business key" }), "customer 4711");
    await user.click(screen.getByRole("button", { name: "Start" }));
    expect(await screen.findByText("Is too long")).toBeDefined();
    expect(house.requests("startRun")).toMatchObject([{ key: "customer 4711", priority: 0 }]);
  });

  it("says before the start how the process behaves", async () => {
    renderConsole(busyHouse(), "/processes/recordimport");
    const rules = within(await screen.findByRole("region", { name: "Rules" }));
    expect(rules.getByText("At most 2 at once in your organisation; others queue")).toBeDefined();
    expect(rules.getByText("A cancel may keep what was done")).toBeDefined();
    expect(screen.getByRole("img", { name: "Diagram of 3 steps" })).toBeDefined();
    expect(rules.getByRole("link", { name: "Start it by schedule" })).toBeDefined();
  });

  it("shows a process to those who may not start it, without a form", async () => {
    const house = busyHouse();
    house.permissions = ["runs.read"];
    renderConsole(house, "/processes/onboarding");
    expect(await screen.findByText(/You may look at this process, but not start it/)).toBeDefined();
    expect(screen.queryByRole("button", { name: "Start" })).toBeNull();
  });
});

describe("load", () => {
  it("shows how full the limits are, and which version runs what", async () => {
    renderConsole(busyHouse(), "/load");
    const limits = within(await screen.findByRole("table", { name: "Limits" }));
    expect(limits.getByText("2 of 2")).toBeDefined();
    expect(limits.getByText("12")).toBeDefined();
    const versions = within(screen.getByRole("table", { name: "Runs per version" }));
    expect(versions.getByText("4fd8aa9c1b2d")).toBeDefined();
    expect(versions.getByText("not started yet")).toBeDefined();
  });

  it("explains itself while nothing is open", async () => {
    const house = new FakeHouse();
    house.load = { builds: [], limits: [] };
    renderConsole(house, "/load");
    expect(await screen.findByText("No process has a limit")).toBeDefined();
    expect(screen.getByText("Nothing is open")).toBeDefined();
  });
});
