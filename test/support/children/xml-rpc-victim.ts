// What is attacked by documents and answers: a server at HTTP and SCGI that says what it has spent, and a client at its
// command. `node xml-rpc-victim` prints `READY HTTP-URL SCGI-URL`.
import { RpcError, Server } from "farcall";
import { double, method, string, XmlRpcClient, xmlRpcService } from "farcall/xmlrpc";

const Victim = xmlRpcService({
  /** Milliseconds of processor time so far, of all threads. */
  cpuMs: method("victim.cpuMs", { params: [], result: double }),
  /** The most that was resident so far, in MiB. */
  peakMiB: method("victim.peakMiB", { params: [], result: double }),
  /** Calls a server, and says how that failed. */
  call: method("victim.call", { params: [string], result: string }),
});

const server = new Server({ xmlRpc: { onError: () => {} } });
server.export(Victim, {
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
  peakMiB: () => process.resourceUsage().maxRSS / 1_024,
  call: async (url) => {
    await using client = new XmlRpcClient(url);
    try {
      await client.execute("x");
      return "answered";
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      return `${error.code} ${error.executed} ${error.message}`;
    }
  },
});
const http = await server.listen("http://127.0.0.1:0/RPC2");
const scgi = await server.listen("scgi://127.0.0.1:0/RPC2");
process.stdout.write(`READY ${http} ${scgi}\n`);
