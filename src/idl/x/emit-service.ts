import type { Printer } from "../print.js";
import { docLines, isNullProcedure, isOneWay, semanticsFor } from "./docs.js";
import { codecText } from "./emit-combinator.js";
import { typeText } from "./emit-type.js";
import type { Program } from "./module.js";
import type { Names } from "./names.js";

/** The contracts: one interface per version of a program, one member per procedure. */
export function emitContracts(out: Printer, programs: readonly Program[], names: Names): void {
  for (const { name, versions, docs: programDocs } of programs) {
    for (const version of versions) {
      const procedures = names.procedures(version);
      out.line();
      const docs = docLines([...programDocs, ...version.docs]);
      out.doc([...docs, ...(docs.length > 0 ? [""] : []), `Program ${name}, version ${version.number}.`]);
      out.block(`export interface ${names.contract(version)} {`, "}", () => {
        for (const [i, procedure] of version.procedures.entries()) {
          const labels = names.args(version, i);
          const args = procedure.args.map(({ type }, j) => `${labels[j]}: ${typeText(type, names)}`);
          const result = typeText(procedure.result, names);
          const { progress } = procedure;
          const signature = isOneWay(procedure)
            ? `OneWayProcedure<[${args.join(", ")}]>`
            : progress !== undefined
              ? `ReportingProcedure<[${args.join(", ")}], ${result}, "${semanticsFor(procedure)}", ${typeText(progress, names)}>`
              : `Procedure<[${args.join(", ")}], ${result}, "${semanticsFor(procedure)}">`;
          out.doc(docLines(procedure.docs));
          out.line(`${procedures[i]}: ${isNullProcedure(procedure) ? "NullProcedure" : signature};`);
        }
      });
    }
  }
}

/** The services: the numbers and codecs that `connect` and `Server` need. */
export function emitServices(out: Printer, programs: readonly Program[], names: Names): void {
  for (const program of programs) {
    for (const version of program.versions) {
      const contract = names.contract(version);
      const procedures = names.procedures(version);
      out.line();
      const annotation = `: OncService<${contract}>`;
      if (out.form === "dts") {
        out.line(`export declare const ${contract}${annotation};`);
        continue;
      }
      const typed = out.typed(annotation);
      out.block(`export const ${contract}${typed} = oncProgram${out.typed(`<${contract}>`)}({`, "});", () => {
        out.line(`name: ${JSON.stringify(program.name)},`);
        out.line(`program: 0x${program.number.toString(16)},`);
        out.line(`version: ${version.number},`);
        out.block("procedures: {", "},", () => {
          for (const [i, procedure] of version.procedures.entries()) {
            const { name, number, args, result, progress } = procedure;
            const semantics = semanticsFor(procedure);
            out.list(
              `${procedures[i]}: { `,
              [
                `number: ${number}`,
                `name: ${JSON.stringify(name)}`,
                `args: [${args.map(({ type }) => codecText(type, names)).join(", ")}]`,
                `result: ${codecText(result, names)}`,
                ...(semantics === "at-most-once" ? [] : [`semantics: "${semantics}"`]),
                ...(isOneWay(procedure) ? ["oneWay: true"] : []),
                ...(progress === undefined ? [] : [`progress: ${codecText(progress, names)}`]),
              ],
              " },",
            );
          }
        });
      });
    }
  }
}
