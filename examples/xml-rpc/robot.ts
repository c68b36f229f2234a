// A remote library in the manner of Robot Framework: keywords in JavaScript, called by tests over XML-RPC.
//   node robot.js --port 8270, and in a test:  Library    Remote    http://127.0.0.1:8270/RPC2
import { parseArgs } from "node:util";
import { RpcError } from "farcall";
import { XmlRpcServer, type XmlRpcValue } from "farcall/xmlrpc";

type Keyword = (...args: never[]) => XmlRpcValue | undefined | Promise<XmlRpcValue | undefined>;

interface Entry {
  readonly keyword: Keyword;
  readonly args: readonly string[];
  readonly documentation: string;
}

/** What `run_keyword` answers: it never faults, because a failed keyword is a result of the test. */
interface Outcome {
  [member: string]: XmlRpcValue;
}

export class RemoteLibrary {
  readonly #keywords = new Map<string, Entry>();

  /** @param args the names that Robot Framework shows, such as `count=1` or `*rest` */
  add(name: string, args: readonly string[], documentation: string, keyword: Keyword): this {
    this.#keywords.set(name, { keyword, args, documentation });
    return this;
  }

  serve(): XmlRpcServer {
    const server = new XmlRpcServer();
    const entry = (name: string): Entry | undefined => this.#keywords.get(name);
    server.exportMethod("get_keyword_names", () => [...this.#keywords.keys()]);
    server.exportMethod("get_keyword_arguments", (name: string) => [...(entry(name)?.args ?? [])]);
    server.exportMethod("get_keyword_documentation", (name: string) => entry(name)?.documentation ?? "");
    server.exportMethod("run_keyword", (name: string, args: readonly XmlRpcValue[]) => this.#run(name, args));
    return server;
  }

  async #run(name: string, args: readonly XmlRpcValue[]): Promise<Outcome> {
    const entry = this.#keywords.get(name);
    if (entry === undefined) return { status: "FAIL", error: `there is no keyword ${name}` };
    try {
      const value = await entry.keyword(...(args as never[]));
      return { status: "PASS", return: value ?? "" };
    } catch (error) {
      return { status: "FAIL", error: error instanceof Error ? error.message : String(error) };
    }
  }
}

export function exampleLibrary(): RemoteLibrary {
  return new RemoteLibrary()
    .add("Count Items", ["items"], "How many items a list has.", (items: XmlRpcValue[]) => items.length)
    .add(
      "Strings Should Be Equal",
      ["first", "second"],
      "Fails if the two texts differ.",
      (first: string, second: string) => {
        if (first !== second) throw new Error(`"${first}" is not "${second}"`);
        return undefined;
      },
    );
}

if (process.argv[1]?.endsWith("robot.js") === true) {
  const { values } = parseArgs({ options: { port: { type: "string", default: "8270" } } });
  const server = exampleLibrary().serve();
  try {
    console.log(await server.listen(`http://127.0.0.1:${values.port}/RPC2`));
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void server.close(1_000));
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
