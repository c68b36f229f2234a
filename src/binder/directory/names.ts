import { NAME_MAX } from "./directory.js";

/** What a name is, for messages. */
export const nameRule = "letters and digits of any script, and . _ - / between and after them";

/** Whether a service can be registered under it: it stands in addresses, in keys of stores and on terminals. */
export function isName(text: string): boolean {
  return /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._/-]*$/u.test(text) && Buffer.byteLength(text) <= NAME_MAX;
}
