// Documents that are well-formed, with elements where they do not belong and texts that are no values: what is only
// damaged as text seldom gets past the parser of XML.
import type { Random } from "../random.js";

/** An element or a text. */
type Node = string | { name: string; attributes: string; children: Node[] };

const texts = [
  ...[
    "",
    " ",
    "\n",
    "0",
    "1",
    "-1",
    "+7",
    "007",
    " 14 ",
    "12abc",
    "1_0",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
  ],
  ...[
    "9223372036854775808",
    "1.5",
    "-0.0",
    ".5",
    "5.",
    "1e5",
    "1e-400",
    "1e400",
    "NaN",
    "inf",
    "0x10",
    "0x1p3",
    "1,5",
    "１２",
  ],
  ...["true", "false", "TRUE", "2", "abc", " a ", "&amp;", "&#13;", "&#x1F600;", "é", "a.b", "a-b", "x".repeat(70)],
  ...[
    "19980717T14:08:55",
    "1998-07-17T14:08:55",
    "19980717T14:08:55Z",
    "19980717T14:08:55+02:00",
    "19980717T140855-0730",
  ],
  ...["19980717T14:08:55.25", "19990229T00:00:00", "19980717T24:00:00", "1998-0717T14:08:55", "00000000T00:00:00"],
  ...["AQID", "AQ==", "AQ", "A", "AR==", "AQ==AQID", "AQ!ID", "A Q\nI D", "AQID====", "-_8="],
  ...["<!-- c -->", "<![CDATA[1]]>", "<![CDATA[ ]]>", "<?p x?>", "1<!-- c -->2"],
] as const;

const scalarNames = [
  ...["int", "i4", "string", "boolean", "double", "dateTime.iso8601", "base64"],
  ...[
    "i8",
    "ex:i8",
    "nil",
    "ex:nil",
    "i1",
    "i2",
    "biginteger",
    "bigdecimal",
    "float",
    "ex:dateTime",
    "long",
    "Int",
    "b",
  ],
] as const;
const otherNames = [
  ...["value", "member", "name", "struct", "array", "data", "param", "params", "fault", "methodName", "methodCall"],
  ...["methodResponse", "x:value"],
] as const;

const fitting: Readonly<Record<string, readonly string[]>> = {
  int: ["14", "-14", "2147483647"],
  i4: ["0"],
  i8: ["14", "9007199254740993"],
  string: ["a", " a ", "&lt;", ""],
  boolean: ["0", "1"],
  double: ["1.5", "-0.25", "3"],
  "dateTime.iso8601": ["19980717T14:08:55"],
  base64: ["AQID", ""],
  nil: [""],
};

function element(name: string, ...children: Node[]): Node {
  return { name, attributes: "", children };
}

function value(random: Random, depth: number): Node {
  const choice = random.below(depth > 3 ? 6 : 10);
  if (choice < 6) {
    const name = random.pick(Object.keys(fitting));
    return element("value", element(name, random.pick(fitting[name] as readonly string[])));
  }
  if (choice === 6) return element("value", random.pick(["a", "", " "]));
  const parts = Array.from({ length: random.below(4) }, () => value(random, depth + 1));
  if (choice === 7) return element("value", element("array", element("data", ...parts)));
  const members = parts.map((part, i) => element("member", element("name", `m${i}`), part));
  return element("value", element("struct", ...members));
}

/** A document from a tree with up to four things wrong. */
export function strangeTree(random: Random): string {
  const root = message(random);
  for (let times = random.below(5); times > 0; times--) disturb(random, root);
  const document = print(root);
  return random.below(2) === 0 ? document : `<?xml version="1.0"?>${document}`;
}

function message(random: Random): Node {
  const params = Array.from({ length: random.below(3) }, () => element("param", value(random, 0)));
  switch (random.below(4)) {
    case 0:
      return element("methodCall", element("methodName", "a.b"), element("params", ...params));
    case 1: {
      const code = element("member", element("name", "faultCode"), element("value", element("int", "4")));
      const text = element("member", element("name", "faultString"), element("value", element("string", "x")));
      return element("methodResponse", element("fault", element("value", element("struct", code, text))));
    }
    default:
      return element("methodResponse", element("params", element("param", value(random, 0))));
  }
}

function disturb(random: Random, root: Node): void {
  const elements: Exclude<Node, string>[] = [];
  const visit = (node: Node): void => {
    if (typeof node === "string") return;
    elements.push(node);
    for (const child of node.children) visit(child);
  };
  visit(root);
  const at = random.pick(elements);
  const place = random.below(at.children.length + 1);
  switch (random.below(9)) {
    case 0:
      at.children.splice(place, 1);
      break;
    case 1:
      at.children.splice(place, 0, random.pick(texts));
      break;
    case 2:
      at.children = [random.pick(texts)];
      break;
    case 3:
      at.name = random.pick(random.below(2) === 0 ? scalarNames : otherNames);
      break;
    case 4:
      at.children.splice(place, 0, value(random, 3));
      break;
    case 5: {
      // Somebody else's child.
      const [child] = random.pick(elements).children;
      if (child !== undefined) at.children.splice(place, 0, structuredClone(child));
      break;
    }
    case 6:
      at.children = [element(random.pick(random.below(2) === 0 ? scalarNames : otherNames), ...at.children)];
      break;
    case 7:
      at.children.reverse();
      break;
    default:
      at.attributes = random.pick([" a='b'", " xmlns=''", " "]);
  }
}

function print(node: Node): string {
  if (typeof node === "string") return node;
  const inner = node.children.map(print).join("");
  return inner === "" ? `<${node.name}${node.attributes}/>` : `<${node.name}${node.attributes}>${inner}</${node.name}>`;
}
