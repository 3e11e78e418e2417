import { Code } from "@connectrpc/connect";
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { refusal } from "./factories";
import { busyHouse } from "./house/busy";
import { renderConsole } from "./render";

// The way from an address needs no upload, which a test without a browser can't do.
async function fromAddress(house = busyHouse()) {
  const opened = renderConsole(house, "/import?dataset=flights");
  const { user } = opened;
  const form = within(await screen.findByRole("form", { name: "From an address" }));
  await user.type(form.getByRole("textbox"), "s3://northwind/2013/flights.csv.zst");
  await user.click(form.getByRole("button", { name: "Continue" }));
  return { house, ...opened };
}

describe("an import", () => {
  it("from an address says how the file is read and what to do with its rows", async () => {
    const { house, user, router } = await fromAddress();
    await user.click(await screen.findByRole("button", { name: "How the file is read" }));
    await user.click(await screen.findByRole("combobox", { name: "Between cells" }));
    await user.click(await screen.findByRole("option", { name: "semicolon", hidden: true }));
    fireEvent.change(screen.getByRole("textbox", { name: "Dates" }), { target: { value: "DD.MM.YYYY" } });
    await user.click(screen.getByRole("button", { name: "Continue" }));
    await user.click(await screen.findByRole("radio", { name: "Replace everything" }));
    expect(await screen.findByText("336,776 records of flights will be replaced")).toBeDefined();
    fireEvent.change(screen.getByRole("textbox", { name: /Stop after so many/ }), { target: { value: "1000" } });
    await user.click(screen.getByRole("button", { name: "Start the import" }));
    await waitFor(() => expect(router.state.location.pathname).toMatch(/^\/runs\//));
    expect(house.requests("startRun")).toMatchObject([
      {
        process: "recordimport",
        input: {
          sourceUrl: "s3://northwind/2013/flights.csv.zst",
          dataset: "datasets/flights",
          mode: "REPLACE",
          format: { delimiter: ";", dateFormat: "DD.MM.YYYY" },
          maxRejects: "1000",
        },
      },
    ]);
  });

  it("says nothing that was not said", async () => {
    const { house, user } = await fromAddress();
    await user.click(await screen.findByRole("button", { name: "Continue" }));
    await user.click(await screen.findByRole("button", { name: "Start the import" }));
    await waitFor(() => expect(house.requests("startRun")).toHaveLength(1));
    const [{ input }] = house.requests("startRun") as [{ input: object }];
    expect(input).toEqual({
      sourceUrl: "s3://northwind/2013/flights.csv.zst",
      dataset: "datasets/flights",
      mode: "UPSERT",
    });
  });

  it("keeps its page when it is refused", async () => {
    const house = busyHouse();
    house.faults.startRun = refusal(Code.FailedPrecondition, "SOURCE_DENIED", "the address is not allowed here");
    const { user } = await fromAddress(house);
    await user.click(await screen.findByRole("button", { name: "Continue" }));
    await user.click(await screen.findByRole("button", { name: "Start the import" }));
    expect((await screen.findByRole("alert")).textContent).toContain("The address is not allowed here");
  });

  it("knows what an address looks like", async () => {
    const { user } = renderConsole(busyHouse(), "/import");
    const form = within(await screen.findByRole("form", { name: "From an address" }));
    await user.type(form.getByRole("textbox"), "northwind/flights.csv");
    await user.click(form.getByRole("button", { name: "Continue" }));
    expect(form.getByText(/An address looks like/)).toBeDefined();
  });
});
