import { defineConfig, mergeConfig } from "vitest/config";
import base from "./vite.config.ts";

// Apart from the build's, so that building needs none of what testing needs.
export default mergeConfig(
  base,
  defineConfig({
    test: {
      environment: "jsdom",
      setupFiles: ["src/test/setup.ts"],
      include: ["src/**/*.test.{ts,tsx}"],
      css: false,
      testTimeout: 90_000,
      hookTimeout: 60_000,
      // So that the alias above holds inside them.
      server: { deps: { inline: [/@rjsf/] } },
    },
  }),
);
