import { join } from "node:path";
import { openSqliteRequestEngine } from "farcall/store";
import type { Contender } from "../contender.js";
import { acceptingWith, newFolder } from "./async.js";

export const contender: Contender = acceptingWith(() =>
  openSqliteRequestEngine({ path: join(newFolder(), "requests.db") }),
);
