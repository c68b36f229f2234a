// Questions to a binder as bytes: of every version and procedure, right and damaged.
import { type Rpcb, xdrMapping, xdrNetbuf, xdrRemoteCall, xdrRpcb } from "../../src/binder/rpcbind/rpcbind.js";
import { encode, string } from "../../src/xdr/index.js";
import { damageBytes, Random } from "../fuzz/random.js";
import { callMessage, fromHex, opaqueHex, toHex, words } from "../support/raw-messages.js";

const programs = [100_000, 100_003, 100_005, 395_183, 0x2000_0e21, 0, 0xffff_ffff];
const netids = ["tcp", "udp", "tcp6", "udp6", "local", "", "rawip"];
const addresses = ["", "0.0.0.0.8.1", "127.0.0.1.0.111", "::.8.1", "fd77::2.0.111", "/run/x.sock", "1.2.3.4.256.1"];
const sys = words(1) + opaqueHex(fromHex(`${words(1, 4)}61626364${words(0, 0, 2, 1, 2)}`));

/** The arguments of a procedure, in hex. */
function argumentsOf(random: Random, version: number, procedure: number): string {
  const [prog, vers] = [random.pick(programs), random.below(5)];
  const rpcb: Rpcb = {
    prog,
    vers,
    netid: random.pick(netids),
    addr: random.pick(addresses),
    owner: random.pick(["", "0"]),
  };
  if (procedure === 5 || procedure === 10) {
    const args = new Uint8Array(4 * random.below(8));
    return toHex(encode(xdrRemoteCall, { prog, vers, proc: random.below(3), args }));
  }
  if (procedure === 0 || procedure === 4 || procedure === 6 || procedure === 12) return "";
  if (version === 2)
    return toHex(encode(xdrMapping, { prog, vers, prot: random.pick([6, 17, 132]), port: random.below(70_000) }));
  if (procedure === 7) return toHex(encode(string(), rpcb.addr));
  if (procedure === 8) {
    const buf = Uint8Array.from({ length: random.pick([0, 2, 16, 28, 110]) }, () => random.pick([0, 1, 2, 10, 127]));
    return toHex(encode(xdrNetbuf, { maxlen: buf.length, buf }));
  }
  return toHex(encode(xdrRpcb, rpcb));
}

/** One call as it should be. */
export function binderCall(random: Random): Uint8Array {
  const version = 2 + random.below(3);
  const procedure = random.below(version === 2 ? 6 : version === 3 ? 9 : 13);
  const credential = random.below(3) === 0 ? { credential: sys } : {};
  const args = argumentsOf(random, version, procedure);
  return callMessage({ xid: random.next(), program: 100_000, version, procedure, args, ...credential });
}

/** Calls, every other one damaged. */
export function* binderDatagrams(seed: number, count: number): Generator<Buffer> {
  for (let index = 0; index < count; index++) {
    const random = new Random(seed, 0, index);
    const whole = binderCall(random);
    const bytes = index % 2 === 0 ? whole : damageBytes(random, whole, binderCall(random));
    // Larger than any link's, and a sender would have to cut it.
    yield Buffer.from(bytes.subarray(0, 1_400));
  }
}
