/** One file as the compiler read it: its name for messages, and its text. */
export class Source {
  readonly path: string;
  readonly text: string;
  #lineStarts: number[] | undefined;

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
  }

  /** Line and column of an offset, both from 1; the column counts UTF-16 units, as editors do. */
  position(offset: number): Position {
    const starts = this.#starts();
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  }

  /** The text of a line (from 1), without its end. */
  line(line: number): string {
    const starts = this.#starts();
    const start = starts[line - 1] ?? this.text.length;
    const end = starts[line] ?? this.text.length + 1;
    return this.text.slice(start, end - 1).replace(/\r$/, "");
  }

  #starts(): number[] {
    if (this.#lineStarts === undefined) {
      const starts = [0];
      for (let at = this.text.indexOf("\n"); at >= 0; at = this.text.indexOf("\n", at + 1)) starts.push(at + 1);
      this.#lineStarts = starts;
    }
    return this.#lineStarts;
  }
}

/** From 1, as editors count. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A piece of a source. */
export interface Span {
  readonly source: Source;
  readonly start: number;
  readonly end: number;
}

/** The piece from the start of one span to the end of another, or the first alone when they are of different files. */
export function spanTo(from: Span, to: Span): Span {
  return from.source === to.source && to.end >= from.start ? { ...from, end: to.end } : from;
}

/** How the stages reach files: they run where there is no file system, too. */
export interface SourceHost {
  /** The text of a file, or undefined when there is none. */
  readFile(path: string): string | undefined;
}

/** The folder of a path, `""` when it names none. Both separators count, because `.x` files say `/` on Windows too. */
export function folderOf(path: string): string {
  const end = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return end < 0 ? "" : path.slice(0, Math.max(end, 1));
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/** A path below a folder; an absolute path stays itself. `.` and `..` are folded, so that one file has one name. */
export function joinPath(folder: string, path: string): string {
  const joined = folder === "" || /^([/\\]|[A-Za-z]:[/\\])/.test(path) ? path : `${folder}/${path}`;
  const root = /^[/\\]*/.exec(joined)?.[0] === "" ? "" : "/";
  const parts: string[] = [];
  for (const part of joined.split(/[/\\]+/)) {
    if (part === "" || part === ".") continue;
    const last = parts.at(-1);
    if (part === ".." && last !== undefined && last !== "..") parts.pop();
    else if (part !== ".." || root === "") parts.push(part);
  }
  return root + parts.join("/");
}
