import {
  any,
  array,
  base64,
  boolean,
  dateTime,
  double,
  i8,
  int,
  method,
  string,
  struct,
  xmlRpcService,
} from "farcall/xmlrpc";

/** A value for every type that a browser and a server exchange. */
export const Types = struct({
  int,
  double,
  yes: boolean,
  text: string,
  date: dateTime,
  bytes: base64,
  big: i8,
  list: array(int),
});

/** What the page calls. */
export const Web = xmlRpcService({
  types: method("web.types", { params: [Types], result: Types }),
  twice: method("web.twice", { params: [string], result: string }),
  fail: method("web.fail", { params: [], result: any }),
  refuse: method("web.refuse", { params: [], result: any }),
});

/** Where the servers are. */
export interface Places {
  /** Another origin, whose server lets this page call it. */
  readonly other: string;
  /** The same, but it wants to know who calls. */
  readonly guarded: string;
  /** Another origin, whose server lets no page call it. */
  readonly closed: string;
  /** Where nobody listens. */
  readonly nobody: string;
}

/** How a call ended. */
export type Ended =
  | { readonly value: unknown }
  | {
      readonly isRpcError: boolean;
      readonly code: string;
      readonly executed: string;
      readonly message: string;
      readonly status?: { readonly number: number; readonly text: string } | undefined;
    };
