/**
 * Which tokens of a prompt stay readable once it is read: decided by the attention that they got
 * from its last queries. A method is a file beside this and a case of `registry.ts`.
 *
 * @module
 */

/** What a method looks at. */
export interface Observation {
  /** Last tokens of the prompt whose queries are looked at; 1 to {@link OBSERVED_COUNT_MAX}. */
  readonly queryCount: number;
  /** Neighbouring stores for which the first one's choice holds; the others are not looked at. */
  readonly storesTogether: number;
  /** Whether it wants the attention of the last query by head. */
  readonly needsLastQuery: boolean;
}

/** Most last queries of a prompt that a method looks at. */
export const OBSERVED_COUNT_MAX = 64;

/** Attention that the tokens of a prompt got in one store. */
export interface StoreScores {
  /** Sums over the observed queries and all heads, `[promptTokenCount]`. */
  readonly sums: ArrayLike<number>;
  /** Of the last query, `[queryHeadCount][promptTokenCount]`; empty unless asked for. */
  readonly lastByHead: readonly ArrayLike<number>[];
}

/** Of which tokens a method may choose. */
export interface PromptCounts {
  /** Tokens of the prompt. */
  readonly promptTokenCount: number;
  /** The first of them, which are sealed: the others are in the raw window, and are kept. */
  readonly sealedTokenCount: number;
  /** First tokens that are always kept, whatever the method says. */
  readonly sinkCount: number;
}

/** Decides what is kept of a prompt. */
export interface KeepMethod {
  /** Method and settings in words: what a request may ask for, e.g. `chunkkv:ratio=0.5`. */
  readonly id: string;
  readonly observation: Observation;
  /** The sealed tokens that are kept, ascending; the first `sinkCount` are among them. */
  choose(scores: StoreScores, counts: PromptCounts): number[];
}
