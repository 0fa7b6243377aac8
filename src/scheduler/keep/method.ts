/**
 * What of a prompt stays readable once it is read: its tokens, by the attention that they got from
 * its last queries, and channels of their keys, by what these queries are in each. A method is a
 * file beside this and a case of `registry.ts`.
 *
 * @module
 */

/** What a method looks at. */
export interface Observation {
  /** Last tokens of the prompt whose queries are looked at; 1 to {@link OBSERVED_COUNT_MAX}. */
  readonly queryCount: number;
  /** Neighbouring stores for which the first one's choice holds; the others are not looked at. */
  readonly storesTogether: number;
  /** Whether it looks at sums of attention over these queries. */
  readonly needsSums: boolean;
  /** Whether it wants the attention of the last query by head. */
  readonly needsLastQuery: boolean;
  /** Whether it wants {@link ChannelScores}. */
  readonly needsChannels: boolean;
}

/** Most last queries of a prompt that a method looks at. */
export const OBSERVED_COUNT_MAX = 64;

/** Attention that the tokens of a prompt got in one store. */
export interface StoreScores {
  /** Sums over the observed queries and all heads, `[promptTokenCount]`. */
  readonly sums: ArrayLike<number>;
  /** Of the last query, `[queryHeadCount][promptTokenCount]`; empty unless asked for. */
  readonly lastByHead: readonly ArrayLike<number>[];
  /** Only if asked for. */
  readonly channels?: ChannelScores;
}

/** Sums of squares in one store, `[kvHeadCount * headSize]`. */
export interface ChannelScores {
  /** Channels of a head. */
  readonly headSize: number;
  /** Over the observed queries of the heads that read a KV head. */
  readonly queries: ArrayLike<number>;
  /** Over the keys of the prompt. */
  readonly keys: ArrayLike<number>;
}

/** Of which tokens a method may choose. */
export interface PromptCounts {
  /** Tokens of the prompt. */
  readonly promptTokenCount: number;
  /** The first of them, which are sealed: the others are in the raw window, and are kept. */
  readonly sealedTokenCount: number;
  /** First tokens that are always kept, whatever the method says. */
  readonly sinkCount: number;
  /** Tokens behind them that stay or go together. */
  readonly packTokenCount: number;
}

/** Decides what is kept of a prompt. */
export interface KeepMethod {
  /** Method and settings in words: what a request may ask for, e.g. `chunkkv:ratio=0.5`. */
  readonly id: string;
  readonly observation: Observation;
  /** The sealed tokens that are kept, ascending; the first `sinkCount` are among them. */
  choose(scores: StoreScores, counts: PromptCounts): number[];
  /** Whether all of these must stay, as a bound on what is lost holds for them alone. */
  readonly needsAll: boolean;
  /** Channels of K that stay, 32 to a word; all do if left out. */
  keepChannels?(scores: ChannelScores): Uint32Array;
}
