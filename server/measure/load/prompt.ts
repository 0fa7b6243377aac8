/**
 * Prompts as a server takes them: token ids where it does, else words.
 *
 * @module
 */

/** How prompts are sent. */
export type PromptKind = "token-ids" | "text";

/** How numbers become a prompt. */
export type PromptWriter =
  | { kind: "token-ids"; vocabSize: number | null }
  | { kind: "text"; tokensPerWord: number };

/** Ids that common vocabularies have as plain tokens, for servers that do not list theirs. */
const UNKNOWN_VOCABULARY = { begin: 1000, end: 20_000 };

const WORDS =
  ("time year people way day man thing woman life child world school state family student group " +
    "country problem hand part place case week company system program question work government " +
    "number night point home water room mother area money story fact month lot right study book " +
    "eye job word business issue side kind head house service friend father power hour game line")
    .split(" ");

/**
 * Makes a prompt.
 *
 * @param numbers One for each token, in [0, 1); equal beginnings give equal beginnings.
 * @returns As many ids as numbers; or words that come to about as many tokens.
 */
export function writePrompt(numbers: readonly number[], writer: PromptWriter): number[] | string {
  if (writer.kind === "text") {
    const wordCount = Math.max(1, Math.round(numbers.length / writer.tokensPerWord));
    // Numbers are used again where a word is less than a token.
    const words = Array.from({ length: wordCount }, (_, i) => {
      return WORDS[Math.floor(numbers[i % numbers.length] * WORDS.length)];
    });
    return words.join(" ");
  }
  const { begin, end } = plainIds(writer.vocabSize);
  return numbers.map((number) => begin + Math.floor(number * (end - begin)));
}

/** The middle half of a vocabulary: control tokens are at its ends. */
function plainIds(vocabSize: number | null): { begin: number; end: number } {
  if (vocabSize === null) return UNKNOWN_VOCABULARY;
  return { begin: Math.floor(vocabSize / 4), end: Math.max(1, Math.floor(vocabSize * 3 / 4)) };
}
