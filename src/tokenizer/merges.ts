/**
 * BPE by `@huggingface/tokenizers`, with the tables of a GGUF file as they are: the library would
 * first write each pair of half a million merges as JSON.
 *
 * @module
 */

import { BPE } from "@huggingface/tokenizers";
import type { TextList } from "../gguf/text_list.ts";
import { MergeRanks } from "./merge_ranks.ts";
import { TOKEN_KIND, type Vocabulary } from "./vocabulary.ts";

/** The place of a merge in the order, 1 apart at least; undefined if two tokens are not merged. */
type RankOf = (left: string, right: string) => number | undefined;

/** A token of a word that the library merges, and the one behind it. */
interface WordNode {
  token: string;
  /** From 0 to 1 along the word: of equal ranks the first goes first. */
  bias: number;
  score: number;
  next: { token: string };
}

/** Ids of the tokens of a word, which is written as the vocabulary spells it. */
export type MergeWord = (word: string) => number[];

/** Merges by the vocabulary's pairs, or by its scores. */
export function createMerger(vocabulary: Vocabulary): MergeWord {
  const { tokens, kinds, spelling, unknownId, rule } = vocabulary;
  const ids = new Map<string, number>();
  for (let id = 0; id < tokens.length; id++) {
    const kind = kinds[id];
    if (kind === TOKEN_KIND.control || kind === TOKEN_KIND.unknown) continue;
    if (kind !== TOKEN_KIND.userDefined) ids.set(tokens[id], id);
  }
  const bpe = new BPE(
    {
      type: "BPE",
      vocab: {},
      merges: [],
      ignore_merges: rule.ignoreMerges,
      byte_fallback: spelling === "spaces",
      ...(unknownId === null ? {} : { unk_token: tokens[unknownId] }),
    } as unknown as ConstructorParameters<typeof BPE>[0],
  );
  bpe.tokens_to_ids = ids;
  const rankOf = vocabulary.merges === null
    ? rankByScore(vocabulary.scores, ids)
    : rankByPair(vocabulary.merges);
  Object.defineProperty(bpe, "add_node", {
    value: (queue: { push(node: WordNode): void }, node: WordNode) => {
      const rank = rankOf(node.token, node.next.token);
      if (rank === undefined) return;
      node.score = rank + node.bias;
      queue.push(node);
    },
  });
  return (word) => bpe.encode([word]).map((token) => ids.get(token) ?? unknownId!);
}

function rankByPair(merges: TextList): RankOf {
  const ranks = new MergeRanks(merges);
  return (left, right) => ranks.rankOf(left, right);
}

function rankByScore(scores: readonly number[], ids: ReadonlyMap<string, number>): RankOf {
  const ranks = scores.every(Number.isInteger) ? null : denseRanks(scores);
  return (left, right) => {
    const id = ids.get(left + right);
    if (id === undefined) return undefined;
    return ranks === null ? -scores[id] : ranks[id];
  };
}

/** 0 for the highest score, 1 for the next, by id. */
function denseRanks(scores: readonly number[]): Uint32Array {
  const sorted = Float64Array.from(new Set(scores)).sort().reverse();
  const rankByScore = new Map(Array.from(sorted, (score, rank) => [score, rank]));
  return Uint32Array.from(scores, (score) => rankByScore.get(score)!);
}
