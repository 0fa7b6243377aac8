/**
 * The alphabet of byte-level BPE: each byte has one printable character in the vocabulary, so that
 * tokens are text without spaces and control characters (GPT-2).
 *
 * @module
 */

/** The character of each byte, by byte. */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

const BYTE_BY_CHARACTER: ReadonlyMap<string, number> = new Map(
  BYTE_CHARACTERS.map((character, byte) => [character, byte]),
);

/**
 * The bytes that a token of the vocabulary stands for.
 *
 * @param token Characters of the alphabet; another character stands for its UTF-8 bytes.
 */
export function bytesOfToken(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = BYTE_BY_CHARACTER.get(character);
    if (byte === undefined) bytes.push(...new TextEncoder().encode(character));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/**
 * Printable bytes are their own character; the others take code points from U+0100 on, in order.
 */
function byteCharacters(): string[] {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    return String.fromCodePoint(isPrintable(byte) ? byte : next++);
  });
}
