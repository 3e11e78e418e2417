import { screen, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { busyHouse } from "./house/busy";
import { renderConsole } from "./render";

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
