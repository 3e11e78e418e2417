import { expect, it } from "vitest";
import { describeCron } from "./cron";

it.each([
  ["30 6 * * 1-5", "At 06:30 from Monday to Friday"],
  ["@daily", "At 00:00 every day"],
  ["@hourly", "Every hour every day"],
  ["@weekly", "At 00:00 on Sunday"],
  ["@monthly", "At 00:00 on day 1 of the month"],
  ["0 8,20 * * MON,THU", "At 08:00 and 20:00 on Monday and Thursday"],
  ["*/15 9-17 * * *", "Every 15 minutes from 09:00 to 17:59 every day"],
  ["5 */6 * * *", "Every 6 hours at minute 5 every day"],
  ["0 7 1,15 1 *", "At 07:00 on day 1 and 15 of the month in January"],
  ["0 0 13 * 5", "At 00:00 on day 13 of the month and on Friday"],
  ["* * * * 7", "Every minute on Sunday"],
])("%s", (line, words) => {
  expect(describeCron(line)).toBe(words);
});

it.each(["", "30 6 * *", "30 6 * * * *", "61 6 * * *", "x 6 * * *", "0 0 1-5,7 * *", "@yearly", "0 0 * 13 *"])(
  "has no words for %j",
  (line) => {
    expect(describeCron(line)).toBeUndefined();
  },
);
