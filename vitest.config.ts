import { defineConfig } from "vitest/config";

// Tests import `farcall/...` as users do; this condition resolves it to src, so no build stands between an edit and a test.
// Not "module": what it leads to is for bundlers, and Node cannot load it.
const conditions = ["farcall-source", "node", "development|production"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    reporters: ["default", "./test/support/skip-reporter.ts"],
    // Interop tests hold child processes and descriptors: a process per file keeps one file's leak out of the next.
    pool: "forks",
    maxWorkers: 2,
    // A C compiler on a busy two-core machine takes seconds; a hang is still found soon.
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    unstubEnvs: true,
    projects: [
      {
        extends: true,
        test: {
          name: "fast",
          include: ["test/**/*.test.ts"],
          exclude: ["test/**/*.long.test.ts", "**/node_modules/**"],
        },
      },
      {
        extends: true,
        test: { name: "long", include: ["test/**/*.long.test.ts"], testTimeout: 300_000 },
      },
    ],
  },
});
