import { fileURLToPath } from "node:url";
import { tanstackRouter } from "@tanstack/router-plugin/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Under `npm run dev` everything that is not the console goes to a running mshub.
const house = process.env.MSHUB_PUBLIC_URL ?? "http://localhost:8080";
const served = [
  "^/(services|authserver)\\.",
  "^/(v1|oauth2|\\.well-known|session|signin|signup|signout|verify|reset|consent|device|docs|openapi\\.json|graphql|files|dev)(/|$|\\?)",
];

const source = (path: string) => fileURLToPath(new URL(`./src${path}`, import.meta.url));

export default defineConfig({
  plugins: [tanstackRouter({ target: "react", autoCodeSplitting: true, quoteStyle: "double", semicolons: true }), react()],
  resolve: {
    alias: {
      "@": source(""),
      // A helper for tests inside @rjsf/core wants it; ours does the work (and compiles no code).
      "@rjsf/validator-ajv8": source("/components/forms/validator.ts"),
    },
  },
  build: {
    target: "es2022",
    // No module is inlined as a data: URL: the content security policy allows files of this origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "react", test: /node_modules[\\/](react|react-dom|scheduler)[\\/]/, priority: 3 },
            { name: "mantine", test: /node_modules[\\/](@mantine|@floating-ui)[\\/]/, priority: 2 },
            { name: "forms", test: /node_modules[\\/](@rjsf|@cfworker|lodash|lodash-es)[\\/]/, priority: 1 },
            { name: "diagram", test: /node_modules[\\/](@xyflow|@dagrejs|d3-[a-z]+)[\\/]/, priority: 1 },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      ...Object.fromEntries(served.map((path) => [path, { target: house, changeOrigin: true }])),
      "/live": { target: house, changeOrigin: true, ws: true },
    },
  },
});
