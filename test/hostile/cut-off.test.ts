import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { Authority } from "../support/certificates.js";
import { buildChild } from "../support/children.js";
import { run } from "../support/processes.js";
import { describeWith } from "../support/requirements.js";

// A cable that is pulled in the middle of calls: no reset comes, no refusal, nothing.

const network = fileURLToPath(new URL("cut-off-namespace.sh", import.meta.url));

interface Ended {
  readonly id: number;
  readonly procedure: string;
  readonly code: string;
  readonly executed: string;
  readonly late: number;
}

describeWith(["unshare", "ip", "openssl", "namespaces"], "a server that is cut off", () => {
  const transports = ["tcp", "udp", "tls"] as const;
  it.each(transports.flatMap((transport) => [[transport, "near"] as const, [transport, "far"] as const]))(
    "in the middle of calls over %s, at the %s end of the cable, costs each call its deadline, and is found again",
    async (transport, end) => {
      const authority = new Authority();
      const { certFile, keyFile } = authority.issue("far.example", "IP:10.77.0.2");
      const files = { FARCALL_CERT: certFile, FARCALL_KEY: keyFile, FARCALL_CA: authority.ca.certFile };
      const env = transport === "tls" ? files : {};
      const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
      const command = [
        process.execPath,
        await buildChild("cut-off"),
        transport,
        end,
        await buildChild("ledger-server"),
      ];
      const { code, lines, stderr } = await run("unshare", [...namespaces, "bash", network, ...command], { env });
      expect(code, stderr).toBe(0);
      const said = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
      const [again, left] = said.slice(-2) as [{ again: number; ran: number[] }, { timers: number }];
      const ended = said.slice(0, -2) as unknown as Ended[];
      expect(ended).toHaveLength(10);
      for (const { id, procedure, code, executed, late } of ended) {
        const what = `${id} ${procedure}: ${code} ${executed}, ${late} ms late`;
        expect(code, what).toMatch(/^(deadline-exceeded|unavailable)$/);
        // What ran is never said not to have.
        expect(executed === "no" && again.ran.includes(id), what).toBe(false);
        if (id < 10) expect(executed, what).toBe("unknown");
        expect(late, what).toBeLessThan(4_000);
      }
      expect(again).toMatchObject({ again: 60, pending: 0, queued: 0 });
      expect(left.timers).toBeLessThanOrEqual(1);
    },
  );
});
