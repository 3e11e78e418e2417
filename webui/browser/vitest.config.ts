import { mergeConfig } from "vitest/config";
import base from "../vite.config.ts";

// Tests in a real Chromium, on what `npm run build` made. Apart from the unit tests, because they need a browser.
const config = mergeConfig(base, {});
config.test = {
  environment: "node",
  include: ["browser/**/*.test.ts"],
  testTimeout: 60_000,
  hookTimeout: 60_000,
  fileParallelism: false,
};
export default config;
