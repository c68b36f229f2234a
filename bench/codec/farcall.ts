import { XdrReader, XdrWriter } from "farcall/xdr";
import { type CodecContender, hundredRecords } from "../contender.js";
import { Records } from "../generated/records.js";

const value = hundredRecords();
const writer = new XdrWriter();

/** The compiled codec of records.x, on the writer and the reader that calls use. */
export const codec: CodecContender = {
  encode() {
    writer.reset();
    Records.encode(writer, value);
    return writer.length;
  },
  decode() {
    return Records.decode(new XdrReader(writer.bytes())).length;
  },
};
