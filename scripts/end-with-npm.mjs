// Ends a server that `npm run` started when npm is gone: `node --import ./scripts/end-with-npm.mjs SERVER`.
// npm passes a signal on to its shell, which does not pass it on to us, so the server would go on and hold its port.
import { readFileSync } from "node:fs";

const shell = process.ppid;
const npm = parentOf(shell);

setInterval(() => {
  if (process.ppid !== shell || parentOf(shell) !== npm) process.kill(process.pid, "SIGTERM");
}, 250).unref();

/** The parent of a process, on Linux; elsewhere only our own is known. */
function parentOf(pid) {
  try {
    // The second field is the command's name in parentheses, which may itself hold spaces and parentheses.
    return Number(/^.*\) \S+ (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]);
  } catch {
    return undefined;
  }
}
