/** Everything that a simulation can let go wrong, by name, with what it is. */
export const faultKinds = {
  loss: "a datagram is lost",
  duplication: "a datagram arrives twice",
  reordering: "a datagram is overtaken by a later one",
  delay: "a datagram is late by up to seconds, or a stream stalls",
  corruption: "a datagram is cut short, grown, or its header destroyed",
  partition: "a client and the server do not reach each other for a while",
  reset: "a connection is reset, and what is on its way is lost",
  "crash-before-execution": "the server dies when a call is about to run",
  "crash-during-execution": "the server dies while a call runs",
  "crash-after-execution": "the server dies when a call has run, before its reply is kept",
  "crash-before-reply": "the server dies with a reply that was kept and not sent",
  "crash-after-reply": "the server dies when a reply was just sent",
  "client-crash": "a client dies, and comes back as a new one on the same host",
  failover: "a client is led to another server, which has the same store of replies",
  "clock-jump": "a machine's clock leaps forward, as after a suspension",
  "xid-wrap": "a client's identifiers run over their 32 bits",
  "xid-reuse": "a client comes back to its port with the identifiers of its former self, as old clients do",
  "cache-full": "the reply cache takes no more calls",
  "store-slow": "the reply cache's store takes seconds to answer",
  "store-down": "the reply cache's store fails, before or after it has done what was asked",
  "bit-flip": "one bit of a datagram is flipped, which no checksum tells",
} as const;

export type FaultKind = keyof typeof faultKinds;

/** Every kind, in the order in which they are reported. */
export const allFaultKinds: readonly FaultKind[] = Object.keys(faultKinds) as FaultKind[];

/** How often each kind had an effect. */
export type FaultCounts = Record<FaultKind, number>;

export function noFaults(): FaultCounts {
  return Object.fromEntries(allFaultKinds.map((kind) => [kind, 0])) as FaultCounts;
}

export function addFaults(sum: FaultCounts, more: FaultCounts): void {
  for (const kind of allFaultKinds) sum[kind] += more[kind];
}
