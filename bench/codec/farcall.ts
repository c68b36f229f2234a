import { XdrReader, XdrWriter } from "farcall/xdr";
import { type CodecContender, hundredEntries } from "../contender.js";
import { xdrEntries } from "../generated/bench.js";

const value = hundredEntries();
const writer = new XdrWriter();
const reader = new XdrReader();

/** The compiled codec of bench.x, on one writer and one reader, as a connection has them. */
export const codec: CodecContender = {
  encode() {
    writer.reset();
    xdrEntries.encode(writer, value);
    return writer.view().length;
  },
  decode() {
    reader.reset(writer.view());
    return xdrEntries.decode(reader).length;
  },
};
