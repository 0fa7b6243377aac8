import type { Tokenizer } from "./types.ts";

/**
 * Ids of a text as a prompt: behind BOS if the model wants one and the text does not begin with it.
 * What a model without its BOS reads is unlike anything that it was trained on.
 */
export function withBos(
  { addBos, bosId }: Pick<Tokenizer, "addBos" | "bosId">,
  ids: readonly number[],
): number[] {
  return addBos && bosId !== null && ids[0] !== bosId ? [bosId, ...ids] : [...ids];
}
