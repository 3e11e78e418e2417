import { expect, it } from "vitest";
import { scheduleIdFrom } from "./words";

it("makes a name of a title", () => {
  expect(scheduleIdFrom("Nightly import (EU)")).toBe("nightly-import-eu");
  expect(scheduleIdFrom("2. Lauf")).toBe("lauf");
});
