import { screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { busyHouse } from "./house/busy";
import { renderConsole } from "./render";

describe("the account", () => {
  it("turns the digest off and on", async () => {
    const { user } = renderConsole(busyHouse(), "/account");
    const digest = await screen.findByRole("checkbox", { name: "A digest each day" });
    expect(digest).toHaveProperty("checked", true);
    await user.click(digest);
    expect(await screen.findByText("No digest comes any more.")).toBeDefined();
    expect(digest).toHaveProperty("checked", false);
    await user.click(digest);
    expect(await screen.findByText("The digest comes again.")).toBeDefined();
    expect(digest).toHaveProperty("checked", true);
  });
});
