import { initTRPC } from "@trpc/server";
import type { Double } from "../contender.js";

const t = initTRPC.create();
const number = (input: unknown): number => {
  if (typeof input !== "number") throw new TypeError("not a number");
  return input;
};

export const routerOf = (double: Double) =>
  t.router({ double: t.procedure.input(number).mutation(({ input }) => double(input)) });
export type Router = ReturnType<typeof routerOf>;
