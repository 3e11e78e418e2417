import { File } from "node:buffer";
import { Code } from "@connectrpc/connect";
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { refusal } from "./factories";
import { busyHouse } from "./house/busy";
import { renderConsole } from "./render";

// The way from an address needs no upload.
async function fromAddress(house = busyHouse()) {
  const opened = renderConsole(house, "/import?dataset=flights");
  const { user } = opened;
  const form = within(await screen.findByRole("form", { name: "From an address" }));
  await user.type(form.getByRole("textbox"), "s3://northwind/2013/flights.csv.zst");
  await user.click(form.getByRole("button", { name: "Continue" }));
  return { house, ...opened };
}

// A file of this computer. jsdom's own can't be read in parts, and nothing listens at the signed link.
async function fromFile(house = busyHouse()) {
  vi.stubGlobal(
    "XMLHttpRequest",
    class {
      upload = {};
      status = 200;
      onload = () => undefined;
      open = () => undefined;
      setRequestHeader = () => undefined;
      send = () => this.onload();
    },
  );
  const opened = renderConsole(house, "/import");
  const file = new File(["time_hour,carrier\n"], "flights.csv", { type: "text/csv" }) as unknown as globalThis.File;
  await opened.user.upload(await screen.findByTestId("import-file"), file);
  await screen.findByRole("form", { name: "New dataset" });
  return { house, ...opened };
}

afterEach(() => vi.unstubAllGlobals());

type User = ReturnType<typeof renderConsole>["user"];

async function choose(user: User, box: HTMLElement, option: string) {
  await user.click(box);
  const list = document.getElementById(box.getAttribute("aria-controls") ?? "");
  await user.click(await within(list ?? document.body).findByRole("option", { name: option, hidden: true }));
}

// The fields for the values of one column.
async function valuesOf(user: User, column: string) {
  await user.click(screen.getByRole("button", { name: `Values of ${column}: As they are` }));
  return within(screen.getByRole("group", { name: `Values of ${column}` }));
}

describe("the columns of a file", () => {
  it("are renamed, skipped, transformed and looked up on their way into a new dataset", async () => {
    const { house, user } = await fromFile();
    fireEvent.change(screen.getByRole("textbox", { name: "Name of dest in the dataset" }), { target: { value: "destination" } });
    await user.click(screen.getByRole("checkbox", { name: "Skip tailnum" }));
    await user.click(screen.getByRole("checkbox", { name: "flight is part of the key" }));
    const delay = await valuesOf(user, "dep_delay");
    await choose(user, delay.getByRole("combobox", { name: "Before a fraction" }), "comma: 1,5");
    await user.click(delay.getByRole("checkbox", { name: "Leave out spaces around them" }));
    expect(screen.getByRole("button", { name: "Values of dep_delay: trimmed, 1,5", expanded: true })).toBeDefined();
    const carrier = await valuesOf(user, "carrier");
    await choose(user, carrier.getByRole("combobox", { name: "Look up in a dataset" }), "Planes");
    expect(carrier.getByText("Choose what is taken.")).toBeDefined();
    await choose(user, carrier.getByRole("combobox", { name: "Take the value of" }), "tailnum");
    await user.click(screen.getByRole("button", { name: "Create and continue" }));
    expect(await screen.findByText("9 of 10, without tailnum; dest → destination")).toBeDefined();
    const [created] = house.requests("createDataset") as [{ dataset: { schema: { properties: object }; key: string[] } }];
    expect(Object.keys(created.dataset.schema.properties)).toContain("destination");
    expect(Object.keys(created.dataset.schema.properties)).not.toContain("tailnum");
    expect(created.dataset.key).toEqual(["flight"]);
    await user.click(screen.getByRole("button", { name: "Start the import" }));
    await waitFor(() => expect(house.requests("startRun")).toHaveLength(1));
    const [{ input }] = house.requests("startRun") as [{ input: { format: object } }];
    expect(input.format).toEqual({
      columns: [
        { source: "carrier", lookup: { dataset: "datasets/planes", match: "tailnum", take: "tailnum" } },
        { source: "tailnum", skip: true },
        { source: "dest", column: "destination" },
        { source: "dep_delay", trim: true, decimal: "," },
      ],
    });
  });

  it("are skipped where the dataset has no place for them, unless one is chosen", async () => {
    const { house, user } = await fromFile();
    await user.click(screen.getByRole("radio", { name: "Use an existing dataset" }));
    await choose(user, screen.getByRole("combobox", { name: "Dataset" }), "Planes");
    expect(await screen.findByText(/The dataset has no column for “time_hour”, “carrier”/)).toBeDefined();
    expect(screen.getByRole("checkbox", { name: "Skip tailnum" })).toHaveProperty("checked", false);
    await choose(user, screen.getByRole("combobox", { name: "Column of the dataset for flight" }), "tailnum");
    expect(screen.getByText("“flight” goes there already.")).toBeDefined();
    expect(screen.getByRole("button", { name: "Continue" })).toHaveProperty("disabled", true);
    await choose(user, screen.getByRole("combobox", { name: "Column of the dataset for flight" }), "seats");
    await user.click(screen.getByRole("button", { name: "Continue" }));
    await user.click(await screen.findByRole("button", { name: "Start the import" }));
    await waitFor(() => expect(house.requests("startRun")).toHaveLength(1));
    const [{ input }] = house.requests("startRun") as [{ input: { format: { columns: object[] } } }];
    expect(input.format.columns).toContainEqual({ source: "flight", column: "seats" });
    expect(input.format.columns).toContainEqual({ source: "carrier", skip: true });
    expect(input.format.columns).not.toContainEqual({ source: "tailnum" });
  });

  it("show at the field what the server refuses, before anything is made and at the start", async () => {
    const { house, user } = await fromFile();
    const fields = await valuesOf(user, "time_hour");
    fireEvent.change(fields.getByRole("textbox", { name: "How they are written" }), { target: { value: "DD.DD.YYYY" } });
    house.faults.proposeSchema = refusal(Code.InvalidArgument, "INVALID_FIELD", "the format has a fault", {
      "format.columns[0].dateFormat": "has D twice",
    });
    await user.click(screen.getByRole("button", { name: "Create and continue" }));
    expect(await fields.findByText("Has D twice")).toBeDefined();
    expect(house.requests("createDataset")).toEqual([]);
    house.faults = {
      startRun: refusal(Code.InvalidArgument, "INVALID_FIELD", "the input has a fault", {
        "input.format.columns[0].date_format": "is too long",
      }),
    };
    fireEvent.change(fields.getByRole("textbox", { name: "How they are written" }), { target: { value: "DD.MM.YYYY" } });
    await user.click(screen.getByRole("button", { name: "Create and continue" }));
    await user.click(await screen.findByRole("button", { name: "Start the import" }));
    expect(await screen.findByText("The import was not started")).toBeDefined();
    const again = within(await screen.findByRole("group", { name: "Values of time_hour" }));
    expect(again.getByText("Is too long")).toBeDefined();
  });
});

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
