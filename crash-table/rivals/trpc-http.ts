import type { AddressInfo } from "node:net";
import { createTRPCClient, httpBatchLink, TRPCClientError } from "@trpc/client";
import { createHTTPServer } from "@trpc/server/adapters/standalone";
import { type Contender, causeOf } from "../contender.js";
import { type Router, routerOf } from "./trpc.js";

export const contender: Contender = {
  async serve(double) {
    const server = createHTTPServer({ router: routerOf(double) });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },

  async connect(url) {
    const client = createTRPCClient<Router>({ links: [httpBatchLink({ url })] });
    return {
      double: (n) => client.double.mutate(n),
      describe: (error) => ({ code: codeOf(error), cause: causeOf(error) }),
    };
  },
};

export function codeOf(error: unknown): string | undefined {
  return error instanceof TRPCClientError ? (error as TRPCClientError<Router>).data?.code : undefined;
}
