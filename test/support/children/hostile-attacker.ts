// Attacks in a process of their own, so that good clients are not slowed by them: `node hostile-attacker NAME MS
// ADDRESSES [NUMBER...]`, the addresses as JSON.
import { attacks } from "../../hostile/attacks.js";

const [name = "", ms = "", addresses = "", ...numbers] = process.argv.slice(2);
const attack = attacks[name as keyof typeof attacks];
if (attack === undefined) throw new Error(`no attack ${name}`);
await attack(JSON.parse(addresses) as [string, string, string], Number(ms), ...numbers.map(Number));
process.exit(0);
