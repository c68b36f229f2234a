// Serves the files of a folder: node server.js FOLDER [PORT [DELAY]]. The demonstration in main.ts starts it, and kills it.
import { FileService } from "./service.js";

const [folder = ".", port = "0", delayMs = "0"] = process.argv.slice(2);

const service = await FileService.start({ folder, port: Number(port), delayMs: Number(delayMs) });
const boot = Buffer.from(service.boot).toString("hex", 0, 4);
// Whoever started this process waits for the message; on a terminal, for the line.
if (process.send === undefined) console.log(`${service.address}, boot ${boot}`);
else process.send({ address: service.address, boot });

process.once("SIGTERM", () => void service.close());
// Nobody may be left behind by a demonstration that is cut short.
process.once("disconnect", () => process.exit());
