import { Code } from "@connectrpc/connect";
import { screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { refusal } from "./factories";
import { busyHouse } from "./house/busy";
import { renderConsole } from "./render";

describe("records", () => {
  it("puts the fault of a filter at the filter", async () => {
    const house = busyHouse();
    house.faults.listRecords = refusal(Code.InvalidArgument, "INVALID_FIELD", "there is no column “carier”");
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

describe("an export", () => {
  it("takes the filter on screen, and leads to its run", async () => {
    const house = busyHouse();
    const { user, router } = renderConsole(house, '/datasets/flights?filter=carrier%3D"UA"');
    await user.click(await screen.findByRole("button", { name: "Export" }));
    const dialog = within(await screen.findByRole("dialog"));
    expect(dialog.getByText('carrier="UA"')).toBeDefined();
    await user.click(dialog.getByRole("radio", { name: "Parquet" }));
    await user.click(dialog.getByRole("button", { name: "Export" }));
    await waitFor(() => expect(router.state.location.pathname).toMatch(/^\/runs\//));
    expect(house.requests("startRun")).toMatchObject([
      { process: "recordexport", input: { dataset: "datasets/flights", filter: 'carrier="UA"', format: "PARQUET" } },
    ]);
  });

  it("is not offered where it can't be started", async () => {
    const house = busyHouse();
    house.permissions = ["records.read"];
    renderConsole(house, "/datasets/flights");
    await screen.findByRole("button", { name: /Details of 2013-01-01T05:00:00Z, UA, 1500/ });
    expect(screen.queryByRole("button", { name: "Export" })).toBeNull();
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
