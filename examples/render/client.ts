// Has a film rendered, and goes on with the same request when it is started again:
// node .build/examples/render/client.js /tmp/render.sock render.notes 40
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect, requests } from "farcall";
import { RenderV1 } from "./render.js";

const [socket = "/tmp/render.sock", notes = "render.notes", frames = "40"] = process.argv.slice(2);

/** What this client has written down: the key before it asks, and the last event that it has dealt with. */
const known = existsSync(notes)
  ? (JSON.parse(readFileSync(notes, "utf8")) as { key: string; after: number })
  : { key: crypto.randomUUID(), after: 0 };
const save = (): void => writeFileSync(notes, JSON.stringify(known));
save();

await using render = await connect(RenderV1, `unix:${socket}`);
// The same key gives the same request, so nobody need know whether an earlier run got this far.
const request = await requests(render).render(Number(frames), { key: known.key });
console.log(known.after === 0 ? "request" : "again", request.id);

for await (const event of request.events({ after: known.after, acknowledge: true })) {
  known.after = event.number;
  save();
  if (event.kind === "progress")
    console.log(`event ${event.number}: frame ${event.value.done} of ${event.value.total}`);
  else if (event.kind === "done") console.log(`event ${event.number}: done, with ${event.value} starts`);
  else if ("error" in event) console.log(`event ${event.number}: ${event.kind}: ${event.error.message}`);
  else console.log(`event ${event.number}: ${event.kind}`);
}
