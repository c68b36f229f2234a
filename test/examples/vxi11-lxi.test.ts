import { beforeAll, describe, expect, it } from "vitest";
import { describeWith } from "../support/requirements.js";
import { type BinderKind, binders, forEither, runInRpcbindNamespace } from "../support/rpcbind-namespace.js";
import { buildExamples, exampleProgram } from "./built.js";

// lxi is a client of VXI-11 on libtirpc, by other people. It asks the port mapper on port 111, so both run where a real
// one listens that belongs to nobody else, and where our own does.

describe.each(binders)("lxi, by way of %s", (binder) => {
  describeWith([...forEither[binder], "lxi", "rpcinfo"], "and the instrument", () => {
    beforeAll(buildExamples);

    it.each([
      ["is told who the instrument is", `lxi scpi -a 127.0.0.1 "*IDN?"`, ["farcall,VXI-11 simulator,0,1"]],
      [
        "sets, and measures",
        `lxi scpi -a 127.0.0.1 "VOLT 2.5"; lxi scpi -a 127.0.0.1 "VOLT?"; lxi scpi -a 127.0.0.1 "MEAS:VOLT?"`,
        ["+2.500000E+00", expect.stringMatching(/^\+2\.50000\dE\+00$/)],
      ],
      [
        "reads the error queue",
        `lxi scpi -a 127.0.0.1 "NONSENSE"; lxi scpi -a 127.0.0.1 "SYST:ERR?"; lxi scpi -a 127.0.0.1 "SYST:ERR?"`,
        ['-113,"Undefined header;NONSENSE"', '0,"No error"'],
      ],
      [
        "gives up in its own time, and then gets the answer to its own question",
        `lxi scpi -t 1 -a 127.0.0.1 "SLOW? 60000" || echo "exit code $?"; lxi scpi -a 127.0.0.1 "*OPC?"`,
        ["exit code 1", "1"],
      ],
      ["asks again and again", `lxi benchmark -a 127.0.0.1 -c 50 | grep -o "Result: [0-9]*"`, [expect.any(String)]],
      [
        "finds it",
        `lxi discover -t 1 | grep Found`,
        [`  Found "farcall,VXI-11 simulator,0,1" on address 127.0.0.1`, "Found 1 device "],
      ],
    ])("%s", async (_what, commands, expected) => {
      const { lines, stderr } = await besideTheSimulator(binder, commands);
      expect(lines, stderr).toEqual(expected);
    });

    it("and our own client find the core channel, which is registered as long as the instrument runs", async () => {
      const registered = `rpcinfo -p 127.0.0.1 | awk '$1 == 395183 || $1 == 395184 { print $1, $2, $3 }'`;
      const { lines, stderr } = await besideTheSimulator(
        binder,
        [
          `${process.execPath} ${exampleProgram("vxi11/client.js")} tcp://127.0.0.1 "*IDN?" "VOLT 3" "VOLT?"`,
          registered,
          `kill "$simulator"; wait "$simulator"`,
          registered,
          `${process.execPath} ${exampleProgram("vxi11/client.js")} tcp://127.0.0.1 "*IDN?" 2>&1`,
        ].join("\n"),
      );
      expect(lines, stderr).toEqual([
        "*IDN? -> farcall,VXI-11 simulator,0,1",
        "VOLT 3",
        "VOLT? -> +3.000000E+00",
        "395183 1 tcp",
        expect.stringMatching(/^failed: not-found; executed: no/),
      ]);
    });
  });
});

/** Runs a shell script where the simulator is registered. */
function besideTheSimulator(kind: BinderKind, script: string) {
  // To be discovered, it has to answer broadcasts.
  const binder = kind === "rpcbind" ? kind : (`${kind} --remote-calls` as const);
  const start = [
    `exec 3< <(exec ${process.execPath} ${exampleProgram("vxi11/server.js")} --register)`,
    `simulator=$!`,
    `read -r _ <&3`,
  ].join("\n");
  return runInRpcbindNamespace(["bash", "-c", `${start}\n${script}`], { binder });
}
