import type { Contender } from "./contender.js";
import { play } from "./process.js";

const [module = "", ...args] = process.argv.slice(2);
const { contender } = (await import(`./${module}.js`)) as { contender: Contender };
await play(contender, args);
