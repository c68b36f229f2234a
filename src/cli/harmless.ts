/**
 * Text of strangers without what a terminal would obey: control and format characters as JSON escapes them. JSON's own
 * writer leaves those above U+007E alone, so its output passes through here too, and stays JSON.
 */
export function harmless(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, i) => escaped(character.charCodeAt(i))).join(""),
  );
}

function escaped(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}
