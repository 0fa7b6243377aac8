/**
 * What a caller does with tokens: `collect` waits for the last one, `stream` shows each when it
 * comes, `watch` may end the generation by what one says. Behind that one a step may have run, and
 * be counted: one, unless the caller takes longer than a step to say so.
 */
export type TokenUse = "collect" | "stream" | "watch";

/** All of them. */
export const TOKEN_USES: readonly TokenUse[] = ["collect", "stream", "watch"];

/** A token that is shown may wait for one step more than its own. */
const STREAM_UNREAD_COUNT_MAX = 2;

/**
 * Steps with a row of a request that may be submitted before the first of them is read.
 *
 * @param readsAll Whether they are read together, once the last one is done.
 */
export function unreadCountOf(
  { grammar, tokenUse }: { grammar: object | null; tokenUse: TokenUse },
  readsAll: boolean,
): number {
  // What a grammar allows depends on the token before.
  if (grammar !== null || tokenUse === "watch") return 1;
  return tokenUse === "stream" && readsAll ? STREAM_UNREAD_COUNT_MAX : Infinity;
}
