import { readdirSync } from "node:fs";
import jsxA11y from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

// The one-way street: lib -> components -> features -> routes. A feature does not know another.
const walls = [
  { files: "src/lib/**", closed: ["components", "features", "routes"], why: "lib knows no pages" },
  { files: "src/components/**", closed: ["features", "routes"], why: "what is shared knows no feature" },
  ...readdirSync("src/features").map((feature, _, all) => ({
    files: `src/features/${feature}/**`,
    closed: ["routes", ...all.filter((other) => other !== feature).map((other) => `features/${other}`)],
    why: "features do not know each other: share through components or lib, combine in routes",
  })),
];

export default tseslint.config(
  { ignores: ["dist", "src/gen", "src/routeTree.gen.ts", "screenshots"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ["*.js", "scripts/*.mjs"] }, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { "react-hooks": reactHooks },
    rules: {
      ...reactHooks.configs.recommended.rules,
      // Numbers read well inside a template.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // Short handlers may return what they call.
      "@typescript-eslint/no-confusing-void-expression": "off",
    },
  },
  ...walls.map(({ files, closed, why }) => ({
    files: [files],
    rules: {
      "no-restricted-imports": ["error", { patterns: [{ regex: `^@/(${closed.join("|")})(/|$)|^(\\.\\./){2,}`, message: why }] }],
    },
  })),
  { files: ["src/**/*.tsx"], ...jsxA11y.flatConfigs.recommended },
  // The router's redirects are thrown.
  { files: ["src/routes/**"], rules: { "@typescript-eslint/only-throw-error": "off" } },
  { files: ["**/*.test.{ts,tsx}", "src/test/**", "browser/**"], rules: { "@typescript-eslint/no-empty-function": "off" } },
  { files: ["**/*.{js,mjs}"], ...tseslint.configs.disableTypeChecked },
);
