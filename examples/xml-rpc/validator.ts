// The eight methods of the XML-RPC validator, by which servers are tried: npm run example:validator -- --port 4444
import { parseArgs } from "node:util";
import { RpcError, Server } from "farcall";
import {
  any,
  array,
  base64,
  boolean,
  dateTime,
  double,
  int,
  method,
  record,
  string,
  struct,
  xmlRpcService,
} from "farcall/xmlrpc";

const Stooges = struct({ moe: int, larry: int, curly: int });

export const Validator = xmlRpcService({
  arrayOfStructsTest: method("validator1.arrayOfStructsTest", {
    params: [array(Stooges)],
    result: int,
    help: "The sum of all members named curly.",
  }),
  countTheEntities: method("validator1.countTheEntities", {
    params: [string],
    result: struct({
      ctLeftAngleBrackets: int,
      ctRightAngleBrackets: int,
      ctAmpersands: int,
      ctApostrophes: int,
      ctQuotes: int,
    }),
    help: "How often each of the five characters occurs that XML has names for.",
  }),
  easyStructTest: method("validator1.easyStructTest", {
    params: [Stooges],
    result: int,
    help: "The sum of moe, larry and curly.",
  }),
  echoStructTest: method("validator1.echoStructTest", {
    params: [record(any)],
    result: record(any),
    help: "The struct that it is given.",
  }),
  manyTypesTest: method("validator1.manyTypesTest", {
    params: [int, boolean, string, double, dateTime, base64],
    result: array(any),
    help: "An array of its six parameters.",
  }),
  moderateSizeArrayCheck: method("validator1.moderateSizeArrayCheck", {
    params: [array(string)],
    result: string,
    help: "The first and the last text, one behind the other.",
  }),
  nestedStructTest: method("validator1.nestedStructTest", {
    params: [record(record(record(record(any))))],
    result: int,
    help: "The sum of moe, larry and curly of the first of April 2000.",
  }),
  simpleStructReturnTest: method("validator1.simpleStructReturnTest", {
    params: [int],
    result: struct({ times10: int, times100: int, times1000: int }),
    help: "The number ten, a hundred and a thousand times.",
  }),
});

export function validatorServer(): Server {
  const server = new Server();
  const count = (text: string, character: string): number => text.split(character).length - 1;
  const sum = ({ moe, larry, curly }: { moe: number; larry: number; curly: number }): number => moe + larry + curly;
  server.export(Validator, {
    arrayOfStructsTest: (structs) => structs.reduce((total, { curly }) => total + curly, 0),
    countTheEntities: (text) => ({
      ctLeftAngleBrackets: count(text, "<"),
      ctRightAngleBrackets: count(text, ">"),
      ctAmpersands: count(text, "&"),
      ctApostrophes: count(text, "'"),
      ctQuotes: count(text, '"'),
    }),
    easyStructTest: sum,
    echoStructTest: (value) => value,
    // Without a type a double of 3 would go back as an int: what stands in an array is told apart by its JavaScript type.
    manyTypesTest: (number, flag, text, real, date, bytes) => [number, flag, text, double(real), date, bytes],
    moderateSizeArrayCheck: (texts) => `${texts.at(0) ?? ""}${texts.at(-1) ?? ""}`,
    nestedStructTest: (calendar) =>
      sum(calendar["2000"]?.["04"]?.["01"] as { moe: number; larry: number; curly: number }),
    simpleStructReturnTest: (number) => ({ times10: number * 10, times100: number * 100, times1000: number * 1000 }),
  });
  return server;
}

if (process.argv[1]?.endsWith("validator.js") === true) {
  const { values } = parseArgs({
    options: { host: { type: "string", default: "127.0.0.1" }, port: { type: "string", default: "4444" } },
  });
  const server = validatorServer();
  try {
    console.log(await server.listen(`http://${values.host}:${values.port}/RPC2`));
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void server.close());
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
