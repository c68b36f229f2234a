import { type ClientHalf, type Protocol, RpcError } from "./model/index.js";
import { isExchangeAddress } from "./net/exchange-address.js";

/** Connects to a service of any protocol by that protocol's own client half. */
export async function connectAny(
  service: { readonly protocol: Protocol; readonly name: string },
  address: string,
  options: object = {},
): Promise<unknown> {
  const { protocol } = service;
  if (isExchangeAddress(address) && !protocol.fits(address)) {
    const text = `${service.name} is a service of the protocol ${protocol.name}, and ${address} is HTTP; overXmlRpc(service) goes there`;
    throw new RpcError("invalid-argument", text, { executed: "no" });
  }
  const { connectService }: ClientHalf = await protocol.client();
  return await connectService(service as never, address, options as never);
}
