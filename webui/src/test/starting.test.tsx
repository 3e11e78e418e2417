import { Code } from "@connectrpc/connect";
import { screen, waitFor, within } from "@testing-library/react";
import { beforeAll, describe, expect, it } from "vitest";
import { refusal } from "./factories";
import { busyHouse } from "./house/busy";
import { renderConsole } from "./render";

// The forms are a part of their own; reading it the first time is no concern of these tests.
beforeAll(() => import("@/components/forms/schema-form"));

describe("starting", () => {
  it("draws the form, refuses what is incomplete, and starts one run per form", { timeout: 60_000 }, async () => {
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
});
