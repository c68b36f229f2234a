import type { Clock } from "../drive/clock.js";
import { RpcError } from "../model/index.js";
import type { Stream, StreamLayer } from "../net/index.js";
import type { ClientAuth } from "./auth/index.js";
import { type CallTarget, ClientCall, StreamClientEngine } from "./engine/index.js";
import { ClntStat, clntStatus } from "./status.js";

/**
 * How a client upgrades each connection before its first call, as STARTTLS does: RFC 9289, section 4.1. A NULL call
 * with a credential of its own asks for it; when the reply's verifier agrees, the layer is put in place.
 */
export interface StreamUpgrade {
  /** The flavor of the asking call. Its `accepted` says whether the server agrees. */
  readonly auth: ClientAuth;
  readonly layer: StreamLayer;
}

/**
 * Asks for the upgrade and makes it.
 *
 * @throws RpcError `denied` when the server does not agree, `unavailable` when the connection does not survive it
 */
export async function upgradeStream(
  stream: Stream,
  { auth, layer }: StreamUpgrade,
  target: CallTarget,
  timeoutMs: number,
  clock: Clock,
): Promise<Stream> {
  const engine = new StreamClientEngine({ auth, firstXid: 1, peer: stream.peer });
  const now = clock.now();
  const link = engine.opened(now);
  const alarm = clock.alarm(() => engine.tick(clock.now()));
  alarm.keepAlive(true);
  let clearText = false;
  try {
    await new Promise((resolve, reject) => {
      const life = { semantics: "maybe", startedAt: now, deadline: now + timeoutMs } as const;
      engine.start(new ClientCall(target, [], life, resolve, reject));
      alarm.set(engine.deadline);
      stream.start({
        onData(chunk) {
          try {
            engine.data(link, chunk, clock.now());
            clearText ||= link.records.partial || link.records.held > 0 || engine.stats.strayReplies > 0;
          } catch (error) {
            engine.lost(link, error as Error, clock.now());
          }
        },
        onDrain: () => {},
        onClose: (error) => engine.lost(link, error, clock.now()),
      });
      const batch = link.outbox.take();
      if (batch !== undefined) stream.write(batch.bytes, batch.written);
    });
    // RFC 9289, section 5.1.1: clear text behind the answer is somebody's attempt to speak for the server.
    if (clearText) throw new Error("the server sent more in clear text behind its answer");
    return await layer(stream, "client");
  } catch (error) {
    stream.destroy();
    const why = error instanceof Error ? error.message : String(error);
    const code = error instanceof RpcError && error.code === "denied" ? "denied" : "unavailable";
    // Whatever became of the asking call, the user's own calls were not sent.
    throw new RpcError(code, `${stream.peer}: the connection could not be upgraded: ${why}`, {
      executed: "no",
      peer: stream.peer,
      cause: error,
      status: clntStatus(ClntStat.RPC_AUTHERROR),
    });
  } finally {
    alarm.clear();
  }
}
