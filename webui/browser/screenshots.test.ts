import { mkdirSync } from "node:fs";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launch, openConsole } from "./console";
import { house, pages } from "./pages";

// One picture of each page, light and dark, into screenshots/. It fails when a page makes the browser complain.
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
