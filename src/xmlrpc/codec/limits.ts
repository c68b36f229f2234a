/** What one document may hold. Each is an option by the same name; over it the document is refused. */
export interface XmlRpcLimits {
  /** Bytes of a document; 16 MiB as for a record of ONC RPC. */
  readonly documentSizeMax: number;
  /** Arrays and structs within one another, both ways. xmlrpc-c takes 64; four times that leaves the stack untouched. */
  readonly depthMax: number;
  /** Values in a document: the smallest has 8 bytes of text, so a million are half of the largest document. */
  readonly valuesMax: number;
  /** Characters of one string, or of one base64 text. Half of the largest document. */
  readonly stringLengthMax: number;
  /** Characters of a method's or a member's name. No program has longer ones. */
  readonly nameLengthMax: number;
  /** Calls in one `system.multicall`: each costs a server as much as a call of its own. */
  readonly multicallMax: number;
}

export const limitDefaults: XmlRpcLimits = {
  documentSizeMax: 16_777_216,
  depthMax: 256,
  valuesMax: 1_048_576,
  stringLengthMax: 8_388_608,
  nameLengthMax: 4_096,
  multicallMax: 1_024,
};

/** Characters of a number, a boolean or a date: a `double` without an exponent has up to 1,077. */
export const scalarLengthMax = 4_096;

/** Attributes of one element. XML-RPC has none at all; namespaces bring a few. */
export const attributesMax = 16;

/** Characters before the first element: a declaration and comments. A DTD is read no further than that. */
export const prologSizeMax = 65_536;
