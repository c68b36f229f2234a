import { readFileSync } from "node:fs";

/** Program numbers and their names, as rpc(5) describes the file: name, number, aliases, and comments after `#`. */
export class ServiceNames {
  readonly #names = new Map<number, string>();
  readonly #numbers = new Map<string, number>();

  /** @param text the file's content */
  constructor(text: string) {
    for (const line of text.split("\n")) {
      const [name, number, ...aliases] = line.replace(/#.*/, "").trim().split(/\s+/);
      if (name === undefined || number === undefined || !/^\d+$/.test(number)) continue;
      // The first line of a number names it, as getrpcbynumber(3) finds it.
      if (!this.#names.has(Number(number))) this.#names.set(Number(number), name);
      for (const known of [name, ...aliases]) {
        if (!this.#numbers.has(known)) this.#numbers.set(known, Number(number));
      }
    }
  }

  /** The machine's own; empty where it has no such file. */
  static ofMachine(): ServiceNames {
    try {
      return new ServiceNames(readFileSync("/etc/rpc", "utf8"));
    } catch {
      return new ServiceNames("");
    }
  }

  name(program: number): string | undefined {
    return this.#names.get(program);
  }

  /** The number of a program by its name or an alias. */
  number(name: string): number | undefined {
    return this.#numbers.get(name);
  }
}
