import type { Reporter, TestModule } from "vitest/node";

/** Ends a run with the names of the tests that it skipped; what a test needs and lacks stands in its name. */
export default class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped: string[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests("skipped")) {
        const result = test.result();
        const note = result.state === "skipped" && result.note !== undefined ? ` [${result.note}]` : "";
        if (test.options.mode === "todo") continue;
        skipped.push(`  ${module.relativeModuleId}: ${test.fullName}${note}`);
      }
    }
    if (skipped.length > 0) process.stdout.write(`\nskipped:\n${skipped.join("\n")}\n`);
  }
}
