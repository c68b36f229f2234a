import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Authority } from "../support/certificates.js";
import { buildChild } from "../support/children.js";
import { run } from "../support/processes.js";
import { describeWith } from "../support/requirements.js";

// What somebody on the network reads of calls in clear text, after AUTH_TLS, and over TLS from the start: captured on a
// loopback of its own by dumpcap, and taken apart by tshark.

const namespace = fileURLToPath(new URL("capture-namespace.sh", import.meta.url));
const secret = "the-words-that-nobody-may-read";
const result = "the-answer-that-nobody-may-read";
const subject = "alice-whom-nobody-may-know";

describeWith(["unshare", "ip", "openssl", "dumpcap", "tshark", "namespaces"], "on a captured network", () => {
  const folder = mkdtempSync(join(tmpdir(), "farcall-"));
  const capture = join(folder, "capture.pcapng");
  let ports: Record<"clear" | "startTls" | "tls", string>;

  /** The given fields of all packets that match, a line each. */
  async function packets(filter: string, ...fields: string[]): Promise<string[]> {
    const options = ["-r", capture, "-n", "-d", `tcp.port==${ports.tls},tls`];
    // Where every conversation may be RPC, tshark finds no TLS behind its beginning.
    if (filter.includes("rpc.")) options.push("-o", "rpc.dissect_unknown_programs:TRUE");
    const wanted = fields.flatMap((field) => ["-e", field]);
    const args = [...options, "-Y", filter, "-T", "fields", "-E", "separator= ", ...wanted];
    const { code, stdout, stderr } = await run("tshark", args, { env: { LC_ALL: "C" } });
    expect(code, stderr).toBe(0);
    // Some of tshark's fields are there twice.
    const lines = stdout.split("\n").map((line) => line.replaceAll(/\b(\w+)(,\1)+\b/g, "$1"));
    return lines.filter((line) => line !== "");
  }

  beforeAll(async () => {
    const authority = new Authority();
    const server = authority.issue("server", "IP:127.0.0.1");
    const client = authority.issue(subject, "DNS:alice.example");
    const env = {
      FARCALL_CA: authority.ca.certFile,
      FARCALL_CERT: server.certFile,
      FARCALL_KEY: server.keyFile,
      FARCALL_CLIENT_CERT: client.certFile,
      FARCALL_CLIENT_KEY: client.keyFile,
    };
    const child = [process.execPath, await buildChild("readable"), secret, result];
    const command = ["--net", "--pid", "--fork", "--kill-child", "bash", namespace, capture, ...child];
    const { code, lines, stderr } = await run("unshare", command, { env });
    expect(code, stderr).toBe(0);
    const [, clear = "", startTls = "", tls = ""] = /^READY (\d+) (\d+) (\d+)$/.exec(lines[0] ?? "") ?? [];
    ports = { clear, startTls, tls };
    const clearCalls = ["clear - true", "clear - true", "clear - true", "clear - false"];
    const protectedCalls = clearCalls.map((line) => line.replace("clear -", `TLSv1.3 ${subject}`));
    expect(lines.slice(1)).toEqual([...clearCalls, ...protectedCalls, ...protectedCalls]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("calls in clear text can be read: program, procedure, argument and result", async () => {
    const from = `tcp.dstport==${ports.clear}`;
    const calls = await packets(`${from} && rpc.msgtyp==0`, "rpc.program", "rpc.procedure");
    expect(calls).toEqual(Array(4).fill(`${0x20000e21} 1`));
    expect(await packets(`${from} && frame contains "${secret}"`, "frame.number")).not.toEqual([]);
    const to = `tcp.srcport==${ports.clear}`;
    expect(await packets(`${to} && frame contains "${result}"`, "frame.number")).toHaveLength(4);
  });

  it.each(["startTls", "tls"] as const)("nothing can be read of calls over TLS: %s", async (kind) => {
    const all = `tcp.port==${ports[kind]}`;
    // As much passes as in clear text.
    const bytes = (lines: string[]): number => lines.reduce((sum, line) => sum + Number(line), 0);
    const clear = bytes(await packets(`tcp.port==${ports.clear}`, "tcp.len"));
    expect(clear).toBeGreaterThan(60_000);
    expect(bytes(await packets(all, "tcp.len"))).toBeGreaterThan(clear);
    for (const words of [secret, result, subject, "nobody-may"]) {
      expect(await packets(`${all} && frame contains "${words}"`, "frame.number")).toEqual([]);
    }
    // Neither in what was put together from several packets.
    expect(await packets(`${all} && tcp.reassembled.data contains "nobody-may"`, "frame.number")).toEqual([]);
  });

  it.each([
    // Procedure 0, with the credential AUTH_TLS and the verifier AUTH_NONE.
    ["startTls", [`${0x20000e21} 0 7,0`, "STARTTLS"]],
    ["tls", []],
  ] as const)("nothing but TLS 1.3 passes, and what asks for it: %s", async (kind, before) => {
    const all = `tcp.port==${ports[kind]} && tcp.len>0`;
    // A packet that only continues a TLS record is none by itself, and what TCP sends again is not looked into.
    const again = "tcp.analysis.retransmission || tcp.analysis.spurious_retransmission";
    const other = `${all} && !tls && !tcp.reassembled_in && !(${again})`;
    const asks = await packets(`${all} && rpc.msgtyp==0`, "rpc.program", "rpc.procedure", "rpc.auth.flavor");
    const answers = await packets(`${all} && rpc.msgtyp==1`, "tcp.payload");
    const said = answers.map((payload) => /STARTTLS/.exec(Buffer.from(payload, "hex").toString("latin1"))?.[0]);
    expect([...asks, ...said]).toEqual(before);
    expect(await packets(other, "frame.number")).toHaveLength(before.length);

    // Of the handshake only the two greetings are open.
    const handshake = `tcp.port==${ports[kind]} && tls.handshake`;
    expect(await packets(handshake, "tls.handshake.type")).toEqual(["1", "2"]);
    expect(await packets(handshake, "tls.handshake.extensions_alpn_str")).toContain("sunrpc");
    expect(
      await packets(`${handshake} && tls.handshake.type==2`, "tls.handshake.extensions.supported_version"),
    ).toEqual(["0x0304"]);
    const earlyData = 42;
    expect(await packets(`${handshake} && tls.handshake.extension.type==${earlyData}`, "frame.number")).toEqual([]);
  });
});
