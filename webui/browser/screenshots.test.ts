import { mkdirSync } from "node:fs";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { idOf } from "@/lib/names";
import { busyHouse } from "@/test/house/busy";
import { launch, openConsole } from "./console";

// One picture of each page, light and dark, into screenshots/. It fails when a page makes the browser complain.
const house = busyHouse();
const [importing, waiting, finished, , , broken, parked, queued] = house.runs.map(({ name }) => `/runs/${idOf(name)}`);
const pages: Record<string, string> = {
  runs: "/runs",
  "run-importing": importing ?? "",
  "run-finished": finished ?? "",
  "run-waiting": waiting ?? "",
  "run-failed": broken ?? "",
  "run-parked": parked ?? "",
  "run-queued": queued ?? "",
  inbox: "/inbox",
  "inbox-votes": `/inbox?task=${idOf(house.tasks[1]?.name ?? "")}`,
  processes: "/processes",
  load: "/load",
  schedules: "/schedules",
  schedule: "/schedules/nightly-import",
  "schedule-new": "/schedules?create=true&process=recordimport",
  "start-import": "/processes/recordimport",
  "start-onboarding": "/processes/onboarding",
  datasets: "/datasets",
  dataset: "/datasets/flights",
  import: "/import",
  people: "/people",
  invitations: "/people?tab=invitations",
  roles: "/people?tab=roles",
  clients: "/clients",
  account: "/account",
  audit: "/audit",
  messages: "/messages",
  missing: "/nowhere",
};

describe.each(["light", "dark"] as const)("in %s", (colorScheme) => {
  let browser: Browser;
  beforeAll(async () => {
    mkdirSync("screenshots", { recursive: true });
    browser = await launch();
  });
  afterAll(() => browser.close());

  it.each(Object.entries(pages))("%s", async (name, path) => {
    const { page, open, close, complaints } = await openConsole(browser, house, { colorScheme });
    await open(path);
    await page.waitForTimeout(250);
    await page.screenshot({ path: `screenshots/${name}-${colorScheme}.png` });
    await close();
    expect(complaints).toEqual([]);
  });
});
