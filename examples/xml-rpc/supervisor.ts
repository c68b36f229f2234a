// Controls supervisord over its Unix socket: node supervisor.js http+unix:/run/supervisor.sock [start|stop|tail NAME]
import { connect, RpcError } from "farcall";
import { any, array, boolean, int, method, optional, string, struct, xmlRpcService } from "farcall/xmlrpc";

const ProcessInfo = struct({
  name: string,
  group: string,
  statename: string,
  pid: int,
  description: string,
  exitstatus: int,
});

/** Part of what supervisord has; `farcall gen --from URL` writes the whole. */
export const Supervisor = xmlRpcService({
  getState: method("supervisor.getState", {
    params: [],
    result: struct({ statecode: int, statename: string }),
    semantics: "at-least-once",
  }),
  getAllProcessInfo: method("supervisor.getAllProcessInfo", {
    params: [],
    result: array(ProcessInfo),
    semantics: "at-least-once",
  }),
  getProcessInfo: method("supervisor.getProcessInfo", {
    params: [string],
    result: ProcessInfo,
    semantics: "at-least-once",
  }),
  startProcess: method("supervisor.startProcess", { params: [string, optional(boolean)], result: boolean }),
  stopProcess: method("supervisor.stopProcess", { params: [string, optional(boolean)], result: boolean }),
  readProcessStdoutLog: method("supervisor.readProcessStdoutLog", {
    params: [string, int, int],
    result: string,
    semantics: "at-least-once",
  }),
  tailProcessStdoutLog: method("supervisor.tailProcessStdoutLog", { params: [string, int, int], result: array(any) }),
});

if (process.argv[1]?.endsWith("supervisor.js") === true) {
  const [address = "http+unix:/run/supervisor.sock", action = "status", name = ""] = process.argv.slice(2);
  try {
    await using supervisor = await connect(Supervisor, address, { preset: "supervisord" });
    if (action === "start") await supervisor.startProcess(name);
    else if (action === "stop") await supervisor.stopProcess(name);
    else if (action === "tail") process.stdout.write(await supervisor.readProcessStdoutLog(name, -1_000, 0));
    if (action !== "tail") {
      for (const { group, name, statename, description } of await supervisor.getAllProcessInfo()) {
        console.log(`${group}:${name}`.padEnd(24), statename.padEnd(10), description);
      }
    }
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    // Such as `BAD_NAME: cat`, and whether anything was done about it.
    console.error(`${error.status?.text ?? error.message} (executed: ${error.executed})`);
    process.exitCode = 1;
  }
}
