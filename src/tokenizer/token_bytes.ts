/**
 * The bytes that tokens stand for.
 *
 * @module
 */

import { bytesOfToken } from "./byte_level.ts";
import { TOKEN_KIND, type Vocabulary } from "./vocabulary.ts";

/** What stands for a space in vocabularies of spelling `spaces`. */
export const SPACE_MARK = "\u2581";

/**
 * A function from ids to bytes, made when they are first asked for. Control and user-defined tokens
 * stand for their text.
 */
export function tokenBytesReader(vocabulary: Vocabulary): (id: number) => Uint8Array {
  const { tokens, kinds, spelling } = vocabulary;
  const cache: Uint8Array[] = [];
  const utf8 = new TextEncoder();
  const bytesOf = (id: number): Uint8Array => {
    const [token, kind] = [tokens[id], kinds[id]];
    if (kind === TOKEN_KIND.control || kind === TOKEN_KIND.unknown) return utf8.encode(token);
    if (kind === TOKEN_KIND.userDefined) return utf8.encode(token);
    if (spelling === "none") return new Uint8Array();
    if (spelling === "bytes") return bytesOfToken(token);
    const byte = kind === TOKEN_KIND.byte ? /^<0x([0-9A-F]{2})>$/.exec(token) : null;
    if (byte !== null) return Uint8Array.of(parseInt(byte[1], 16));
    return utf8.encode(token.replaceAll(SPACE_MARK, " "));
  };
  return (id) => cache[id] ??= bytesOf(id);
}

/** The bytes each token stands for, by id. */
export function tokenBytesTable(vocabulary: Vocabulary): readonly Uint8Array[] {
  const bytesOf = tokenBytesReader(vocabulary);
  return vocabulary.tokens.map((_, id) => bytesOf(id));
}
