import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

const globalsOfBench = Object.fromEntries(
  [
    "window",
    "document",
    "performance",
    "process",
    "fetch",
    "requestAnimationFrame",
    "setTimeout",
    "addEventListener",
    "Buffer",
    "HTMLImageElement",
    "PerformanceObserver",
    "URL",
  ].map((name) => [name, "readonly"]),
);

export default tseslint.config(
  { ignores: ["node_modules", "src/api/schema.ts", "public"] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  { files: ["bench/*.mjs"], languageOptions: { globals: globalsOfBench } },
  hooks.configs.flat["recommended-latest"],
  {
    rules: {
      "max-lines": ["error", 400],
      "no-console": "error",
      "@typescript-eslint/consistent-type-imports": "error",
    },
  },
);
