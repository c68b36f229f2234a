// Calls the calculator: npm run -s example:calc:client -- tcp://127.0.0.1:20101
import { connect, RpcError } from "farcall";
import { CalcV1, DivisionStatus } from "./calc.js";

const [address = "tcp://127.0.0.1:20101"] = process.argv.slice(2);

try {
  await using calc = await connect(CalcV1, address);

  console.log("1 + 2 =", await calc.add({ a: 1, b: 2 }));

  const division = await calc.divide({ a: 7, b: 2 });
  if (division.status === DivisionStatus.DIVISION_OK) {
    console.log("7 / 2 =", division.value.quotient, "remainder", division.value.remainder);
  }
  const byZero = await calc.divide({ a: 7, b: 0 });
  console.log("7 / 0 :", byZero.status === DivisionStatus.DIVISION_BY_ZERO ? "refused" : byZero.value);

  // Many calls at once travel over one connection.
  const sums = await Promise.all([1, 2, 3].map((n) => calc.add({ a: n, b: n })));
  console.log("doubled:", ...sums);

  // No sum is wrapped or rounded: an int cannot hold this one, so the server says that it failed. It has
  // run all the same: in a session, such as farcall's servers have, it says that too.
  await calc.add({ a: 2 ** 31 - 1, b: 1 }).catch(tell);

  // And what the caller's own value cannot be is not even sent.
  await calc.add({ a: 1.5, b: 2 }).catch(tell);
} catch (error) {
  tell(error);
  process.exitCode = 1;
}

function tell(error: unknown): void {
  if (!(error instanceof RpcError)) throw error;
  console.log(`failed: ${error.code}, executed: ${error.executed} (${error.message})`);
}
