import type { AsyncRequest, RequestEvent } from "../../model/index.js";
import type { OncProcedure } from "../../onc/program.js";
import { toJson } from "../../xdr/index.js";

/** Waits for a result, prints it as JSON, and shows on stderr how far the request is. */
export async function printResult(
  request: AsyncRequest<unknown, unknown>,
  { progress, result }: OncProcedure,
  timeoutMs: number | undefined,
): Promise<void> {
  const shown = progress === undefined ? undefined : follow(request, progress.shape);
  try {
    const value = await request.result({ timeoutMs });
    await shown?.ended;
    process.stdout.write(`${toJson(result.shape, value)}\n`);
  } finally {
    shown?.stop();
  }
}

interface Shown {
  readonly ended: Promise<void>;
  stop(): void;
}

/** Shows progress: as a bar where there is a terminal and the value is a part of something, else as lines. */
function follow(request: AsyncRequest<unknown, unknown>, shape: OncProcedure["result"]["shape"]): Shown {
  const abort = new AbortController();
  let stop = (): void => {};
  const run = async (): Promise<void> => {
    const { default: progress } = await import("cli-progress");
    let bar: InstanceType<typeof progress.SingleBar> | undefined;
    stop = () => bar?.stop();
    for await (const event of request.events({ signal: abort.signal })) {
      const part = event.kind === "progress" ? partOf(event.value) : undefined;
      if (part === undefined || process.stderr.isTTY !== true) {
        process.stderr.write(lineOf(event, shape));
        continue;
      }
      if (bar === undefined) {
        bar = new progress.SingleBar({
          format: "{bar} {percentage} % | {value} of {total}",
          barCompleteChar: "█",
          barIncompleteChar: "░",
          stream: process.stderr,
          clearOnComplete: false,
        });
        bar.start(part.total, part.done);
      }
      bar.setTotal(part.total);
      bar.update(part.done);
    }
    bar?.stop();
  };
  // What goes wrong here is told by the result.
  return {
    ended: run().catch(() => {}),
    stop: () => {
      abort.abort();
      stop();
    },
  };
}

/** A number counts per cent; a struct says what is done and of how much. */
function partOf(value: unknown): { readonly done: number; readonly total: number } | undefined {
  if (typeof value === "number") return { done: value, total: 100 };
  if (typeof value !== "object" || value === null) return undefined;
  const { done, total } = value as { readonly done?: unknown; readonly total?: unknown };
  const isNumber = (one: unknown): boolean => typeof one === "number" || typeof one === "bigint";
  return isNumber(done) && isNumber(total) ? { done: Number(done), total: Number(total) } : undefined;
}

function lineOf(event: RequestEvent<unknown, unknown>, shape: OncProcedure["result"]["shape"]): string {
  return event.kind === "progress"
    ? `${event.number} progress ${toJson(shape, event.value)}\n`
    : `${event.number} ${event.kind}\n`;
}
