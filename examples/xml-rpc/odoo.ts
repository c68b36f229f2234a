// A client in the shape of Odoo's external API: two services at two paths, a login, and one method for everything.
//   node odoo.js http://127.0.0.1:8069 DATABASE USER PASSWORD
import { RpcError } from "farcall";
import { XmlRpcClient, type XmlRpcClientOptions, type XmlRpcValue } from "farcall/xmlrpc";

/** A condition of a search, such as `["is_company", "=", true]`. */
export type Condition = readonly [field: string, operator: string, value: XmlRpcValue];

export class Odoo implements AsyncDisposable {
  readonly #object: XmlRpcClient;
  readonly #database: string;
  readonly #uid: number;
  readonly #password: string;

  private constructor(object: XmlRpcClient, database: string, uid: number, password: string) {
    this.#object = object;
    this.#database = database;
    this.#uid = uid;
    this.#password = password;
  }

  /** Logs in. Throws when the user or the password is not known. */
  static async login(
    origin: string,
    database: string,
    user: string,
    password: string,
    options: XmlRpcClientOptions = {},
  ): Promise<Odoo> {
    // Odoo's values know null, and its times are UTC without saying so.
    const preset = { preset: "odoo", ...options } as const;
    await using common = new XmlRpcClient(`${origin}/xmlrpc/2/common`, preset);
    const uid = await common.execute("authenticate", [database, user, password, {}], { semantics: "at-least-once" });
    if (typeof uid !== "number") throw new Error(`Odoo does not know ${user} or the password`);
    return new Odoo(new XmlRpcClient(`${origin}/xmlrpc/2/object`, preset), database, uid, password);
  }

  /** Reads records: nothing is changed, so it may be asked again. */
  async searchRead(model: string, conditions: readonly Condition[], fields: readonly string[], limit: number) {
    const records = await this.#execute(model, "search_read", [conditions], { fields, limit }, "at-least-once");
    return records as { [field: string]: XmlRpcValue }[];
  }

  /** Makes a record, and gives its id. An answer that is lost leaves unknown whether there is one. */
  async create(model: string, values: { readonly [field: string]: XmlRpcValue }): Promise<number> {
    return (await this.#execute(model, "create", [values], {}, "at-most-once")) as number;
  }

  #execute(
    model: string,
    method: string,
    args: readonly unknown[],
    named: object,
    semantics: "at-least-once" | "at-most-once",
  ): Promise<XmlRpcValue> {
    const params = [this.#database, this.#uid, this.#password, model, method, args, named];
    return this.#object.execute("execute_kw", params, { semantics });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#object.close();
  }
}

if (process.argv[1]?.endsWith("odoo.js") === true) {
  const [origin = "http://127.0.0.1:8069", database = "demo", user = "admin", password = "admin"] =
    process.argv.slice(2);
  try {
    await using odoo = await Odoo.login(origin, database, user, password);
    const fields = ["name", "country_id", "create_date"];
    for (const partner of await odoo.searchRead("res.partner", [["is_company", "=", true]], fields, 5)) {
      // A reference is an id with a name, and false where there is none.
      const [, country = ""] = Array.isArray(partner["country_id"]) ? partner["country_id"] : [];
      console.log(`${String(partner["name"]).padEnd(24)} ${String(country)}`);
    }
    console.log(`made ${await odoo.create("res.partner", { name: "New Partner", is_company: true })}`);
  } catch (error) {
    // What the server was told stays secret: the message has the fault's text, and no parameters.
    if (error instanceof RpcError)
      console.error(`${error.code}, executed ${error.executed}: ${error.status?.text ?? error.message}`);
    else console.error((error as Error).message);
    process.exitCode = 1;
  }
}
