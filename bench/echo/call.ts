/** A server of the comparison: starts on a free port of loopback, and gives its URL. */
export interface EchoServer {
  serve(): Promise<string>;
}

/** What is called with the same text for an answer. */
export const text = "Hello, world";

/** The call that a load generator sends, again and again. */
export const call = `<?xml version="1.0"?><methodCall><methodName>echo</methodName><params><param><value><string>${text}</string></value></param></params></methodCall>`;

/** Its answer, for the server that does not look at what it is asked. */
export const answer = `<?xml version="1.0"?><methodResponse><params><param><value><string>${text}</string></value></param></params></methodResponse>`;
