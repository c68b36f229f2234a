/** What a document of the comparison holds: 2,820 structs, 1.18 MB of XML. */
export interface Item {
  id: number;
  name: string;
  price: number;
  active: boolean;
  note: string;
}

export function items(): Item[] {
  return Array.from({ length: 2_820 }, (_, i) => ({
    id: i,
    name: `some-name-${i}`,
    price: i * 0.25 + 0.1,
    active: i % 3 === 0,
    note: "a short text & more <of> it",
  }));
}

/** One decoder and encoder of an answer that holds the items. */
export interface DocumentContender {
  /** Decodes the document, and gives the number of items. */
  decode(document: Uint8Array): number | Promise<number>;
  /** Encodes the items, and gives the number of bytes or characters. */
  encode(value: readonly Item[]): number;
}
