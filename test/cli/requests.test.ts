import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateFiles, loadInterface } from "farcall/idl";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RequestQueue } from "../../src/async/index.js";
import { Server } from "../../src/index.js";
import { MemoryRequestEngine } from "../../src/store/index.js";
import { buildCli, cliMain, farcall } from "../support/cli.js";
import { describeWith } from "../support/requirements.js";

const interfaceText = `
struct part { unsigned int done; unsigned int total; };
program FILM_PROG {
  version FILM_V1 {
    /** Renders so many frames. @progress part @idempotent */
    string RENDER(int frames) = 1;
    /** Waits until it is told to end. */
    void HANG(void) = 2;
  } = 1;
} = 0x20000222;
`;

describe("farcall submit, requests, result and cancel", () => {
  const folder = mkdtempSync(join(tmpdir(), "farcall-cli-requests-"));
  const file = join(folder, "film.x");
  let queue: RequestQueue;
  let server: Server;
  let address = "";
  const run = (...args: string[]) => farcall(args);

  beforeAll(async () => {
    buildCli();
    writeFileSync(file, interfaceText);
    const [film] = loadInterface(file).services;
    if (film === undefined) throw new Error("no service");
    queue = new RequestQueue({ engine: new MemoryRequestEngine(), onError: () => {} });
    queue.handle(film, {
      render: (async (frames: number, { request }: { request: { progress(value: object): Promise<boolean> } }) => {
        for (let done = 1; done <= frames; done++) await request.progress({ done, total: frames });
        return `${frames} frames`;
      }) as never,
      hang: ((context: { signal: AbortSignal }) =>
        new Promise((_, reject) => {
          context.signal.addEventListener("abort", () => reject(new Error("stopped")));
        })) as never,
    });
    server = new Server();
    queue.serve(server);
    address = await server.listen("tcp://127.0.0.1:0");
  }, 120_000);
  afterAll(async () => {
    await server.close({ drainMs: 0 });
    await queue.close({ drainMs: 0 });
    rmSync(folder, { recursive: true, force: true });
  });

  it("prints the id, then the result; progress goes to stderr", async () => {
    const submitted = await run("submit", address, file, "render", "3");
    expect(submitted).toMatchObject({ code: 0, stderr: "" });
    const id = submitted.stdout.trim();
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    const result = await run("result", address, file, id);
    expect(result).toMatchObject({ code: 0, stdout: '"3 frames"\n' });
    expect(result.stderr).toContain('progress {"done":3,"total":3}');
  });

  it("waits at once where it is told to, and gives the same request for the same key", async () => {
    const args = ["submit", address, file, "render", "1", "--key", "k", "--wait"];
    const [first, second] = [await run(...args), await run(...args)];
    expect(first).toMatchObject({ code: 0, stdout: '"1 frames"\n' });
    expect(second.stderr.split("\n")[0]).toBe(first.stderr.split("\n")[0]);
  });

  it("lists, cancels, and says by the exit code whether the procedure ran", async () => {
    const id = (await run("submit", address, file, "hang")).stdout.trim();
    expect((await run("requests", address)).stdout).toContain(id);
    expect(JSON.parse((await run("requests", address, "--json")).stdout)[0]).toMatchObject({ id });
    expect((await run("requests", address, "--uid", "4711")).stdout).not.toContain(id);
    expect((await run("cancel", address, id)).stdout).toMatch(/^(requested|cancelled)\n$/);
    const result = await run("result", address, file, id);
    expect([3, 4]).toContain(result.code);
    expect(result.stderr).toContain("cancelled");
    expect((await run("cancel", address, id)).stdout).toBe("too-late\n");
    expect(await run("cancel", address, "f".repeat(32))).toMatchObject({ code: 5 });
  });

  describeWith(["script"], "on a terminal", () => {
    /** What a command shows on a terminal of its own until that is enough; the command is then stopped. */
    const shown = async (args: readonly string[], enough: (text: string) => boolean): Promise<string> => {
      const command = [process.execPath, cliMain, ...args].join(" ");
      const child = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
      let text = "";
      let pressed = false;
      await new Promise<void>((resolve) => {
        child.once("close", () => resolve());
        // It may have ended by itself just now.
        child.stdin.on("error", () => {});
        child.stdout.setEncoding("utf8").on("data", (part: string) => {
          text += part;
          if (pressed || !enough(text)) return;
          pressed = true;
          // Ctrl-C, as somebody at the terminal presses it.
          child.stdin.write("\u0003");
        });
      });
      return text;
    };

    it("draws the table of requests again and again, until it is stopped", async () => {
      const id = (await run("submit", address, file, "hang")).stdout.trim();
      const screens = (text: string): string[] => text.split("\u001b[H\u001b[J").slice(1);
      const text = await shown(["requests", address, "--watch", "--every", "50"], (so) => screens(so).length > 3);
      for (const screen of screens(text).slice(0, 3)) expect(screen).toContain(id);
      await run("cancel", address, id);
    });

    it("draws a bar where the procedure tells how much of how much is done", async () => {
      const id = (await run("submit", address, file, "render", "4")).stdout.trim();
      const text = await shown(["result", address, file, id], () => false);
      expect(text).toMatch(/█ 100 % \| 4 of 4/);
      expect(text).toContain('"4 frames"');
    });
  });

  it("refuses what is no argument before anything is queued", async () => {
    expect((await run("submit", address, file, "render", '"three"')).code).toBe(2);
  });
});

it("@progress in a .x file becomes part of the contract", () => {
  const folder = mkdtempSync(join(tmpdir(), "farcall-gen-progress-"));
  try {
    const file = join(folder, "film.x");
    writeFileSync(file, interfaceText);
    const { diagnostics, written } = generateFiles({ files: [file] });
    expect(diagnostics).toEqual([]);
    expect(written).toHaveLength(1);
    const [film] = loadInterface(file).services;
    const render = film?.procedures["render"] as { readonly progress?: { readonly shape: object } } | undefined;
    expect(render?.progress?.shape).toMatchObject({ kind: "struct", name: "Part" });
    writeFileSync(file, interfaceText.replace("@progress part", "@progress parts"));
    const wrong = generateFiles({ files: [file] });
    expect(wrong.diagnostics[0]?.message).toContain("parts");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
