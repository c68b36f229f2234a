import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { farcall, nameOf, rivals } from "./contenders.js";
import { crash } from "./experiment.js";
import { heading, rowOf } from "./table.js";

const usage = `npm run crash-table -- [options]
  --wait S      seconds after which a call counts as pending (default 60)
  --quick       3 seconds: does it still run?
  --only NAMES  of the modules, such as farcall,rivals/grpc-js (default all)
  --write       puts the table into docs/crash-table.md`;

const { values: options } = parseArgs({
  options: {
    wait: { type: "string", default: "60" },
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    write: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

// The compiled file lies in rivals/dist.
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const page = here("../../../docs/crash-table.md");
const only = options.only?.split(",");
const rows = [...rivals, farcall].filter(({ module }) => only?.includes(module) ?? true);

// An interrupted run ends its processes too.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

if (options.help) console.log(usage);
else await main();

async function main(): Promise<void> {
  const seconds = options.quick ? 3 : Number(options.wait);
  if (!(seconds > 0)) throw new RangeError(`--wait takes a number of seconds above 0, not ${options.wait}`);
  if (options.write && (options.quick || only !== undefined)) throw new Error("--write takes a full run");
  const waitMs = seconds * 1_000;
  process.stderr.write(`${rows.length} contenders, about ${seconds + 10} s\n`);
  // All at once: they do nothing but wait. What fails to run is said, and the others' rows are printed.
  const results = await Promise.allSettled(
    rows.map(async (row) => {
      const seen = await crash({ script: here("worker.js"), args: [row.module] }, waitMs);
      return rowOf(nameOf(row, here("../package.json")), seen, waitMs);
    }),
  );
  const lines = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const table = [heading, ...lines].join("\n");
  console.log(table);
  for (const [i, result] of results.entries()) {
    if (result.status === "rejected") console.error(`${rows[i]?.module}: ${(result.reason as Error).message}`);
  }
  if (lines.length < rows.length) process.exitCode = 1;
  else if (options.write) write(table);
}

/** Puts the table between the page's marks. */
function write(table: string): void {
  const marks = /(<!-- table -->\n)[\s\S]*?(<!-- end of table -->)/;
  const text = readFileSync(page, "utf8");
  if (!marks.test(text)) throw new Error(`${page} has no marks to put the table between`);
  writeFileSync(
    page,
    text.replace(marks, (_all, begin: string, end: string) => `${begin}${table}\n${end}`),
  );
}
