import { once } from "node:events";
import type { AddressInfo } from "node:net";
import thrift, { type TProtocol, type TTransport } from "thrift";
import { type Contender, causeOf, type Double } from "../contender.js";

// What thrift's compiler makes of `service Doubler { i32 double(1: i32 n) }`, by hand and without what is not used.

const { Thrift } = thrift;

function writeNumber(output: TProtocol, type: thrift.Thrift.MessageType, seqid: number, id: number, n: number): void {
  output.writeMessageBegin("double", type, seqid);
  output.writeStructBegin("number");
  output.writeFieldBegin("number", Thrift.Type.I32, id);
  output.writeI32(n);
  output.writeFieldEnd();
  output.writeFieldStop();
  output.writeStructEnd();
  output.writeMessageEnd();
  output.flush();
}

function readNumber(input: TProtocol): number {
  let n = Number.NaN;
  input.readStructBegin();
  for (;;) {
    const { ftype } = input.readFieldBegin();
    if (ftype === Thrift.Type.STOP) break;
    n = input.readI32();
    input.readFieldEnd();
  }
  input.readStructEnd();
  input.readMessageEnd();
  return n;
}

class Client {
  /** The library puts an entry of its own in here for each reply. */
  readonly _reqs: Record<number, (error: Error | null, value?: number) => void> = {};
  readonly #output: TTransport;
  readonly #Protocol: new (
    transport: TTransport,
  ) => TProtocol;
  #seqid = 0;

  constructor(output: TTransport, Protocol: new (transport: TTransport) => TProtocol) {
    this.#output = output;
    this.#Protocol = Protocol;
  }

  seqid(): number {
    return this.#seqid;
  }

  double(n: number): Promise<number> {
    const seqid = ++this.#seqid;
    return new Promise((resolve, reject) => {
      this._reqs[seqid] = (error, value = Number.NaN) => (error === null ? resolve(value) : reject(error));
      writeNumber(new this.#Protocol(this.#output), Thrift.MessageType.CALL, seqid, 1, n);
    });
  }

  recv_double(input: TProtocol, type: thrift.Thrift.MessageType, seqid: number): void {
    const settle = this._reqs[seqid];
    delete this._reqs[seqid];
    if (type === Thrift.MessageType.EXCEPTION) {
      const error = new Thrift.TApplicationException();
      error.read(input);
      input.readMessageEnd();
      settle?.(error);
    } else settle?.(null, readNumber(input));
  }
}

class Processor {
  readonly #double: Double;

  constructor({ double }: { readonly double: Double }) {
    this.#double = double;
  }

  process(input: TProtocol, output: TProtocol): void {
    const { rseqid } = input.readMessageBegin();
    void this.#double(readNumber(input)).then((value) =>
      writeNumber(output, Thrift.MessageType.REPLY, rseqid, 0, value),
    );
  }
}

export const contender: Contender = {
  async serve(double) {
    const server = thrift.createServer<Processor, { readonly double: Double }>(Processor, { double });
    await once(server.listen(0, "127.0.0.1"), "listening");
    return String((server.address() as AddressInfo).port);
  },

  async connect(port) {
    const connection = thrift.createConnection("127.0.0.1", Number(port), {});
    // Without a listener an error would end the process.
    connection.on("error", () => {});
    await once(connection, "connect");
    const client = thrift.createClient(Client, connection);
    return { double: (n) => client.double(n), describe: (error) => ({ cause: causeOf(error) }) };
  },
};
