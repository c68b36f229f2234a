// What people write: interface files and addresses.
import { portOfUniversalAddress } from "../../../src/binder/registry/uaddr.js";
import { type CompileResult, compile } from "../../../src/idl/index.js";
import { RpcError } from "../../../src/model/index.js";
import { parseAddress } from "../../../src/net/address.js";
import { damageText } from "../random.js";
import { sources } from "../sources.js";
import type { Target } from "../target.js";

const pieces = [
  ..."{}()<>[];,*=:%#\n\"'\\",
  ...[
    "/*",
    "*/",
    "//",
    "\\\n",
    "-1",
    "0x",
    "0777",
    "99999999999999999999",
    "\0",
    "\ud800",
    "é",
    "__proto__",
    "constructor",
  ],
  ...[
    "struct ",
    "union ",
    "switch ",
    "case ",
    "default:",
    "enum ",
    "typedef ",
    "const ",
    "program ",
    "version ",
    "void ",
  ],
  ...[
    "string ",
    "opaque ",
    "unsigned ",
    "hyper ",
    "bool ",
    "#if ",
    "#else\n",
    "#endif\n",
    "#define A ",
    '#include "t.x"\n',
  ],
];

export const compiler: Target = {
  name: "compiler",
  share: 0.5,
  // The dialect's own names are a file too, which is read when a name is not defined.
  allowance: 131_072,
  // A token with its place, a node of the tree, the names that it gets and the text that is made of them.
  garbage: 512,
  make(random) {
    const text = damageText(random, random.pick(sources), random.pick(sources), pieces);
    const size = Buffer.byteLength(text);
    // A file that includes itself is read again, so many levels deep.
    const times = /#\s*include/.test(text) ? 64 : 1;
    return {
      size: times * size,
      prepare() {
        let result: CompileResult | undefined;
        return {
          work() {
            const readFile = (path: string): string | undefined => (path === "t.x" ? text : undefined);
            result = compile("t.x", text, { host: { readFile } });
          },
          check() {
            const { code, diagnostics = [] } = result ?? {};
            const failed = diagnostics.some(({ severity }) => severity === "error");
            if ((code === undefined) !== failed)
              return failed ? "code in spite of errors" : "neither code nor an error";
            if ((code?.length ?? 0) > 32 * size + 4_096) return `${size} bytes became ${code?.length} of code`;
            return undefined;
          },
        };
      },
    };
  },
};

const addressTexts = [
  "tcp://127.0.0.1:2049",
  "udp://[::1]:111",
  "tls://host.example:65535",
  "unix:/run/a.sock",
  "unix:///run/a.sock",
  "memory://a",
  "memory+datagram://name",
  "tcp://[fe80::1%eth0]/",
  "127.0.0.1.8.1",
  "::1.0.111",
  "h.255.255",
] as const;

export const addresses: Target = {
  name: "addresses",
  share: 2,
  // The error that names what is wrong, with its stack.
  allowance: 2_048,
  make(random) {
    const more = [...pieces, ":", "/", "[", "]", "@", ".", "65536", "://"];
    const text = damageText(random, random.pick(addressTexts), random.pick(addressTexts), more);
    return {
      size: Buffer.byteLength(text),
      prepare() {
        const ports: (number | undefined)[] = [];
        return {
          work() {
            ports.push(portOfUniversalAddress(text));
            try {
              const address = parseAddress(text);
              if ("port" in address) ports.push(address.port);
            } catch (error) {
              if (!(error instanceof RpcError) || error.code !== "invalid-argument") throw error;
            }
          },
          check() {
            const bad = ports.find((port) => port !== undefined && !(port >= 0 && port <= 0xffff));
            return bad === undefined ? undefined : `${JSON.stringify(text)} has port ${bad}`;
          },
        };
      },
    };
  },
};
