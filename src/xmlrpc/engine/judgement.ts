import type { Executed, RpcErrorCode, RpcErrorDetails } from "../../model/index.js";
import { faultOutcome } from "../codec/fault.js";
import type { DecodedResponse } from "../codec/message.js";
import type { Preset, Settings } from "../codec/options.js";
import type { XmlRpcValue } from "../codec/value.js";
import { statusMeaning } from "./answer.js";
import type { Attempt } from "./attempt.js";
import { HttpAnswerError } from "./http-answer-error.js";

/** What an attempt's answer is. */
export type Judgement =
  | { readonly kind: "value"; readonly value: XmlRpcValue }
  /** A fault, or a page: whoever is busy or down may be asked again. */
  | ({ readonly kind: "refusal"; readonly details: Partial<RpcErrorDetails> } & Failure)
  /** XML that is no answer. */
  | ({ readonly kind: "unreadable"; readonly details: Partial<RpcErrorDetails> } & Failure);

interface Failure {
  readonly code: RpcErrorCode;
  /** What this attempt proves. */
  readonly executed: Executed;
  readonly text: string;
}

/** Reads the whole answer of an attempt. What a farcall server says of the execution goes before what its answer proves. */
export function judge(attempt: Attempt, settings: Settings, preset: Preset | undefined): Judgement {
  const { note } = attempt;
  let answer: DecodedResponse | undefined;
  try {
    answer = attempt.finish(settings);
  } catch (error) {
    // An error page may be XML too, and then its status says more.
    if (attempt.head?.status !== 200) return judgePage(attempt);
    const text = `the answer cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    const executed = note.executed ?? "unknown";
    return { kind: "unreadable", code: "bad-reply", executed, text, details: { cause: error } };
  }
  if (answer === undefined) return judgePage(attempt);
  if (answer.fault === undefined) return { kind: "value", value: answer.value };
  const { code, executed, status } = faultOutcome(answer.fault, preset, note.executed);
  const text = `fault ${status.number}${status.text === "" ? "" : `: ${status.text}`}`;
  return { kind: "refusal", code, executed, text, details: { status } };
}

/** An answer that is none of XML-RPC: its status is what it says. */
function judgePage(attempt: Attempt): Judgement {
  const cause = httpAnswer(attempt);
  const { code, executed } = statusMeaning(cause.status, attempt.note.executed);
  return { kind: "refusal", code, executed, text: cause.message, details: pageDetails(attempt, cause) };
}

/** An HTTP answer in place of one of XML-RPC, for an error. */
export function pageDetails(attempt: Attempt, cause: HttpAnswerError = httpAnswer(attempt)): Partial<RpcErrorDetails> {
  const { statusText } = attempt.head ?? {};
  const text = statusText === undefined || statusText === "" ? "HTTP status" : statusText;
  return { cause, status: { number: cause.status, text } };
}

function httpAnswer({ head, contentType, firstBytes }: Attempt): HttpAnswerError {
  const { status = 0, statusText = "", headers = {} } = head ?? {};
  return new HttpAnswerError(status, statusText, contentType, firstBytes, headers["location"]);
}
