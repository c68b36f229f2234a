// Interface files that the compiler's inputs are made from. Bundled as text: the fuzzer runs from one file.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import calc from "../../examples/calc/calc.x?raw";
import files from "../../examples/file-service/files.x?raw";
import mount from "../../examples/nfs-server/mount.x?raw";
import vxi11 from "../../examples/vxi11/vxi11.x?raw";
import everything from "../idl/fixtures/everything.x?raw";
import wild from "../idl/fixtures/wild.x?raw";

/** Those of Debian's rpcsvc-proto, where they are: the same seed makes other inputs elsewhere. */
const installed = "/usr/include/rpcsvc/";
const real = existsSync(installed)
  ? readdirSync(installed)
      .filter((name) => name.endsWith(".x"))
      .sort()
      .map((name) => readFileSync(installed + name, "utf8"))
  : [];

export const sources: readonly string[] = [calc, files, mount, vxi11, everything, wild, ...real];
