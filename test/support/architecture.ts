import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { parseSync } from "oxc-parser";

/** What the files of one room may import. A file belongs to the room with the longest path that it starts with. */
export interface Room {
  /** Other rooms, by path. Its own files are always allowed. */
  readonly may: readonly string[];
  /** No `node:*`, and only packages that run anywhere as well. Such rooms compile in tsconfig.core.json, without Node's types. */
  readonly pure?: true;
  /** Packages from the registry; none unless named. */
  readonly packages?: readonly string[];
}

/** The house, by path under src: a folder without a trailing slash, or one file. */
export type Rooms = Readonly<Record<string, Room>>;

export interface Import {
  readonly specifier: string;
  /** `static` is bound at load, `type` is erased, `lazy` is an `import()`, as a value or in a type. */
  readonly kind: "static" | "type" | "lazy";
}

/** A source file by its path under src, with `/`. */
export interface SourceFile {
  readonly path: string;
  readonly imports: readonly Import[];
}

/** Every TypeScript file under `root` with what it imports. */
export function readSources(root: string): SourceFile[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => ({
      path: relative(root, file).split(sep).join("/"),
      imports: importsOf(file, readFileSync(file, "utf8")),
    }));
}

/** What one file imports, in the order of the source's kinds. */
export function importsOf(name: string, text: string): Import[] {
  const { program, module, errors } = parseSync(name, text);
  if (errors.length > 0) throw new Error(`${name}: ${errors[0]?.message}`);
  const found: Import[] = [];
  for (const { moduleRequest, entries } of module.staticImports) {
    const erased = entries.length > 0 && entries.every((entry) => entry.isType);
    found.push({ specifier: moduleRequest.value, kind: erased ? "type" : "static" });
  }
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest, isType } of entries) {
      if (moduleRequest !== null) found.push({ specifier: moduleRequest.value, kind: isType ? "type" : "static" });
    }
  }
  visit(program, (node) => {
    const source = node["source"] as { type?: string; value?: unknown } | undefined;
    if ((node["type"] === "ImportExpression" || node["type"] === "TSImportType") && typeof source?.value === "string") {
      found.push({ specifier: source.value, kind: "lazy" });
    } else if (node["type"] === "ImportExpression") {
      // A computed specifier escapes every rule of the table.
      found.push({ specifier: "<computed>", kind: "lazy" });
    }
  });
  return found;
}

function visit(node: unknown, enter: (node: Record<string, unknown>) => void): void {
  if (Array.isArray(node)) {
    for (const item of node) visit(item, enter);
  } else if (typeof node === "object" && node !== null) {
    if ("type" in node) enter(node as Record<string, unknown>);
    for (const value of Object.values(node)) visit(value, enter);
  }
}

/** The room that a file lives in, or undefined when the table has none for it. */
export function roomOf(path: string, rooms: Rooms): string | undefined {
  let best: string | undefined;
  for (const room of Object.keys(rooms)) {
    if ((path === room || path.startsWith(`${room}/`)) && (best === undefined || room.length > best.length))
      best = room;
  }
  return best;
}

/** The files under src that the package's own names (`#xmlrpc/server`) may mean: one of them by the conditions that hold. */
export type Aliases = Readonly<Record<string, readonly string[]>>;

/** What the `imports` of a package.json lead to. */
export function aliasesOf(imports: Readonly<Record<string, unknown>>): Aliases {
  const sources = (target: unknown): string[] =>
    typeof target === "string"
      ? target.startsWith("./src/") && target.endsWith(".ts")
        ? [target.slice("./src/".length)]
        : []
      : Object.values(target as object).flatMap(sources);
  return Object.fromEntries(Object.entries(imports).map(([name, target]) => [name, sources(target)]));
}

/** Every breach of the import rules, as sentences; empty when the house stands as the table says. */
export function breaches(files: readonly SourceFile[], rooms: Rooms, aliases: Aliases = {}): string[] {
  const found: string[] = [];
  const known = new Set(files.map((file) => file.path));
  for (const file of files) {
    const home = roomOf(file.path, rooms);
    if (home === undefined) {
      found.push(`${file.path} is in no room of the table`);
      continue;
    }
    const rules = rooms[home] as Room;
    for (const { specifier, kind } of file.imports) {
      const targets = targetsOf(file.path, specifier, aliases);
      if (targets !== undefined) {
        for (const target of targets) {
          if (!known.has(target)) {
            found.push(`${file.path} imports ${specifier}, which is not in src`);
            continue;
          }
          const other = roomOf(target, rooms);
          if (other !== undefined && other !== home && !rules.may.includes(other)) {
            found.push(`${file.path}: ${home} may not import ${other} (${target})`);
          }
        }
      } else if (specifier === "farcall" || specifier.startsWith("farcall/")) {
        found.push(`${file.path} imports ${specifier}: inside src, by relative path`);
      } else if (specifier.startsWith("node:")) {
        if (rules.pure) found.push(`${file.path}: ${home} is pure and may not import ${specifier}`);
      } else if (kind !== "type" && !(rules.packages ?? []).includes(packageOf(specifier))) {
        found.push(`${file.path}: ${home} may not import the package ${specifier}`);
      }
    }
  }
  for (const cycle of cycles(files, aliases)) found.push(`import cycle: ${cycle.join(" -> ")}`);
  for (const [room, { may }] of Object.entries(rooms)) {
    for (const other of may) {
      if (!(other in rooms)) found.push(`the table lets ${room} import ${other}, which it does not know`);
    }
  }
  return found;
}

/**
 * The import cycles between files, one for each file that closes one. A lazy `import()` closes none, since it runs
 * after load; a type does, since two files that describe each other are one concept in two places.
 */
function cycles(files: readonly SourceFile[], aliases: Aliases): string[][] {
  const edges = new Map<string, string[]>();
  for (const { path, imports } of files) {
    const targets = imports
      .filter(({ kind }) => kind !== "lazy")
      .flatMap(({ specifier }) => targetsOf(path, specifier, aliases) ?? []);
    edges.set(path, targets);
  }
  const found: string[][] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      found.push([...trail.slice(start), path]);
      return;
    }
    if (done.has(path)) return;
    for (const target of edges.get(path) ?? []) walk(target, [...trail, path]);
    done.add(path);
  };
  for (const { path } of files) walk(path, []);
  return found;
}

/** The files under src that an import may mean; undefined when it is of something else. */
function targetsOf(from: string, specifier: string, aliases: Aliases): readonly string[] | undefined {
  if (specifier.startsWith("#")) return aliases[specifier] ?? [specifier];
  if (!specifier.startsWith(".")) return undefined;
  return [join(dirname(from), specifier).split(sep).join("/").replace(/\.js$/, ".ts")];
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
