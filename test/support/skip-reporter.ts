import type { Reporter, TestModule } from "vitest/node";

/** Ends a run with what it skipped; what a test needs and lacks stands in its name, or in that of its group. */
export default class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = new Map<string, number>();
    for (const module of modules) {
      for (const test of module.children.allTests("skipped")) {
        if (test.options.mode === "todo") continue;
        const result = test.result();
        const note = result.state === "skipped" && result.note !== undefined ? ` [skipped: ${result.note}]` : "";
        // A group that is skipped as a whole is one line.
        const [group = test.fullName + note] = /^.*\[skipped: [^\]]*\]/.exec(test.fullName + note) ?? [];
        const name = `${module.relativeModuleId}: ${group}`;
        skipped.set(name, (skipped.get(name) ?? 0) + 1);
      }
    }
    if (skipped.size === 0) return;
    const lines = [...skipped].map(([name, count]) => `  ${name}${count > 1 ? ` (${count} tests)` : ""}`);
    process.stdout.write(`\nskipped:\n${lines.join("\n")}\n`);
  }
}
