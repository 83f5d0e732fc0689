import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const server = process.env.RETOUCH_SERVER ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [react()],
  base: "./",
  build: {
    outDir: "../src/retouch/server/page",
    emptyOutDir: true,
    // Nothing inlined as data: the server's Content-Security-Policy allows fonts and scripts from itself only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  server: { proxy: { "/api": server } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
