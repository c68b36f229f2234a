import { readFileSync } from "node:fs";

/** A row of the table: the module that plays it, and the package whose version names it. */
export interface Row {
  readonly module: string;
  readonly title: string;
  readonly packageName?: string | undefined;
}

export const rivals: readonly Row[] = [
  { module: "rivals/grpc-js", title: "grpc-js", packageName: "@grpc/grpc-js" },
  { module: "rivals/connect", title: "connect-node, HTTP/2", packageName: "@connectrpc/connect-node" },
  { module: "rivals/trpc-http", title: "tRPC, HTTP", packageName: "@trpc/client" },
  { module: "rivals/trpc-ws", title: "tRPC, WebSocket", packageName: "@trpc/client" },
  { module: "rivals/capnweb", title: "capnweb, WebSocket", packageName: "capnweb" },
  { module: "rivals/vscode-jsonrpc", title: "vscode-jsonrpc", packageName: "vscode-jsonrpc" },
  { module: "rivals/thrift", title: "thrift", packageName: "thrift" },
];
export const farcall: Row = { module: "farcall", title: "**farcall**" };

/** The row's name, with the version that rivals/package.json pins. */
export function nameOf({ title, packageName }: Row, rivalsPackage: string): string {
  if (packageName === undefined) return title;
  const { dependencies } = JSON.parse(readFileSync(rivalsPackage, "utf8")) as { dependencies: Record<string, string> };
  return `${title} ${dependencies[packageName]}`;
}
