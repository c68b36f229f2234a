// Writes docs/xml-rpc-decoding.md from the table of decoding cases: `node scripts/xml-rpc-decoding-page.mjs`.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = new URL("../", import.meta.url);

const head = `# What a document of XML-RPC means

Every case below is a test of farcall, in both profiles, and of Python's \`xmlrpc\` and Debian's xmlrpc-c, which answer the same documents;
\`test/vectors/xml-rpc-decoding.json\` is the table, and this page is made of it (\`node scripts/xml-rpc-decoding-page.mjs\`).

- **legal**: the specification of 1998 allows it. **doubtful**: peers write it all the same. **hostile**: nobody should.
- What stands alone in the first column is the content of the one \`<value>\` of an answer; otherwise it is the whole document.
- An em dash in a peer's column means the same as \`compat\`. \`refused\` is a peer's error, whatever its reason.
- Where a peer differs, the last column says why farcall does not follow it.
`;

/** @param {readonly import("../test/support/xml-rpc-cases.js").DecodingCase[]} cases */
export function page(cases) {
  const groups = [...new Set(cases.map(({ group }) => group))];
  const sections = groups.map((group) => {
    const rows = cases.filter((one) => one.group === group).map(row);
    const header =
      "| case | | document | strict | compat | Python | xmlrpc-c | why |\n|---|---|---|---|---|---|---|---|";
    return `## ${group}\n\n${header}\n${rows.join("\n")}\n`;
  });
  return [head, ...sections].join("\n");
}

function row(one) {
  const { name, kind, strict, compat, why = "" } = one;
  const cells = [
    name,
    kind,
    documentOf(one),
    answer(strict),
    compat === strict ? "the same" : answer(compat),
    peer(one.python, compat),
    peer(one["xmlrpc-c"], compat),
    why,
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function documentOf({ call, response, value, parts = {}, as, charset, cut, options }) {
  const notes = [];
  for (const [part, [text, times]] of Object.entries(parts)) {
    notes.push(`\`{${part}}\`: ${times.toLocaleString("en")} times ${code(text)}`);
  }
  if (as === "latin1") notes.push("each character is a byte");
  else if (as !== undefined) notes.push(`as ${as}`);
  if (cut !== undefined) notes.push("without the last byte");
  if (charset !== undefined) notes.push(`\`charset=${charset}\` in the header`);
  if (options !== undefined) notes.push(`options ${code(JSON.stringify(options))}`);
  const document = call ?? response ?? value;
  return [document === "" ? "(nothing)" : code(document), ...notes].join("; ");
}

function answer(text) {
  const [, kind, message] = /^refused, (\w+): (.*)$/s.exec(text) ?? [];
  return kind === undefined ? code(text) : `refused (${kind}): ${escaped(message)}`;
}

function peer(text, compat) {
  if (text === undefined) return "";
  if (text === compat || (text === "refused" && compat.startsWith("refused,"))) return "—";
  return text === "refused" || text === "crashed" ? text : code(text);
}

/** Text in backticks, with what cannot be seen written out. */
function code(text) {
  const visible = seen(text);
  const fence = "`".repeat(Math.max(0, ...(visible.match(/`+/g) ?? []).map((run) => run.length)) + 1);
  const room = visible.startsWith("`") || visible.endsWith("`") || /^ | $/.test(visible) ? " " : "";
  return `${fence}${room}${visible}${room}${fence}`;
}

function escaped(text) {
  return seen(text).replace(/[<&*_`[\]]/g, (found) => `\\${found}`);
}

function seen(text) {
  return text
    .replaceAll("\r", "\\r")
    .replaceAll("\n", "\\n")
    .replace(/[\p{Cc}\p{Cs}\ufeff\ufffe\uffff]/gu, (found) => {
      return `\\u${found.codePointAt(0).toString(16).padStart(4, "0")}`;
    });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const cases = JSON.parse(readFileSync(new URL("test/vectors/xml-rpc-decoding.json", root), "utf8"));
  writeFileSync(new URL("docs/xml-rpc-decoding.md", root), page(cases));
}
