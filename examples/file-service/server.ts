// Serves the files of a folder: node server.js FOLDER [PORT]. The demonstration in main.ts starts it, and kills it.
import { FileService } from "./service.js";

const [folder = ".", port = "0"] = process.argv.slice(2);

// The demonstration asks for this, to kill the server while calls run.
let holds = false;
process.on("message", () => {
  holds = true;
  process.send?.("holding");
});

async function beforeIo(): Promise<void> {
  if (!holds) return;
  process.send?.("held");
  await new Promise(() => {});
}

const service = await FileService.start({ folder, port: Number(port), beforeIo });
const boot = Buffer.from(service.boot).toString("hex", 0, 4);
if (process.send === undefined) console.log(`${service.address}, boot ${boot}`);
else process.send({ address: service.address, boot });

process.once("SIGTERM", () => void service.close());
// Nobody is left behind by a demonstration that is cut short.
process.once("disconnect", () => process.exit());
