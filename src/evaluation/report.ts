/**
 * What an evaluation reports: one report per text and codec, as JSON and as tables.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT, WINDOW_TOKEN_COUNT } from "../core/shapes.ts";
import type { LoadedModel } from "../runtime/load_model.ts";
import { ALL_IN_TOKENS, type AllIn, allInBytes } from "./all_in.ts";
import type { NearBytes, SequenceRun, SideBytes } from "../runtime/sequence_run.ts";
import type { CacheBytes } from "../engine/types.ts";
import type { PerSide } from "./baselines/baseline.ts";
import { type EvalCodec, sinkTokenCount } from "./codecs.ts";
import type { DivergenceSummary } from "./divergence.ts";

/** Quality and size over the first `tokens` of a text; names as printed. */
export interface ContextReport {
  tokens: number;
  /** Of which so many predictions were compared. */
  positions: number;
  kl_mean: number;
  kl_p50: number;
  kl_p99: number;
  kl_p999: number;
  /** Share of positions with the same most likely token, 0 to 1. */
  same_top: number;
  ppl: number;
  ppl_exact: number;
  ppl_ratio: number;
  /** f16 bytes of the sealed tokens over packed bytes. */
  ratio: number;
  /** Bits per element of sealed blocks, all side data counted. */
  bits: PerSide;
  bytes: CacheBytes & { k: SideBytes; v: SideBytes };
  /** Share of blocks that the codec kept in its second way, 0 to 1; for codecs that have one. */
  fallback_share?: number;
}

/** The report of one text and codec: that of its longest context, and all of them. */
export interface EvalReport extends ContextReport {
  text: string;
  /** The codec with its settings in words. */
  profile: string;
  /** As the command line names it. */
  codec: string;
  model: string;
  from: number;
  /** Bytes follow from the codec's definition: nothing is really packed. */
  by_construction: boolean;
  /** Raw first tokens; in no byte count above. */
  sinks: { tokens: number; bytes: number };
  /** Newest tokens that stay raw. */
  window_tokens: number;
  /** Device bytes of the raw window of a sequence; in no byte count above. */
  window_bytes: number;
  /** Everything counted, at some lengths; empty if nothing was sealed. */
  all_in: AllIn[];
  /** Where the distribution is furthest from exact. */
  worst: WorstToken;
  /** By context, shortest first. */
  contexts: ContextReport[];
}

/** The position of the largest KL. */
export interface WorstToken {
  position: number;
  kl: number;
  /** The text up to it, and the token that follows; null if texts cannot be quoted. */
  before: string | null;
  next: string | null;
}

/** What stands beside sealed blocks. */
export interface BesideSize {
  /** Device bytes of all raw windows, of those of layers that seal, and of the codec's tables. */
  allWindows: number;
  window: number;
  tables: number;
  /** Layers whose blocks are sealed, and stay. */
  sealedLayerCount: number;
  /** What the others hold of their windows sealed, and as f16; null if there are none. */
  near: NearBytes | null;
}

/** What stands beside the sealed blocks of a run. */
export function besideSize(run: SequenceRun): BesideSize {
  const { windowBytes, sealedLayerCount, besideBytes, near } = run;
  return { ...besideBytes, allWindows: windowBytes, sealedLayerCount, near };
}

/** Sizes of a cache at some time. */
export interface CacheSize {
  bits: PerSide;
  bytes: ContextReport["bytes"];
  /** As in the report. */
  fallbackShare?: number;
}

/** Sizes of the blocks that a run has sealed so far. */
export function cacheSize(run: SequenceRun, { baseline }: EvalCodec): CacheSize {
  const bytes = run.cacheBytes();
  const sides = run.sideBytes();
  if (baseline === null) {
    const size = { bits: run.bitsPerElement(), bytes: { ...bytes, k: sides.k, v: sides.v } };
    const { describableRecordCount: all, describedRecordCount } = run.describedCounts;
    return all === 0 ? size : { ...size, fallbackShare: 1 - describedRecordCount / all };
  }
  const { bits, codeBits } = baseline.codec;
  const ofSide = (side: "k" | "v"): SideBytes => {
    const { raw } = sides[side];
    return { raw, payload: raw * codeBits[side] / 16, packed: raw * bits[side] / 16 };
  };
  const [k, v] = [ofSide("k"), ofSide("v")];
  const packed = k.packed + v.packed;
  const payload = k.payload + v.payload;
  const size = { bits, bytes: { raw: bytes.raw, payload, packed, allocated: packed, k, v } };
  const { codec } = baseline;
  return "fallbackShare" in codec ? { ...size, fallbackShare: codec.fallbackShare } : size;
}

/** The report of a context. */
export function contextReport(
  tokens: number,
  summary: DivergenceSummary,
  { bits, bytes, fallbackShare }: CacheSize,
): ContextReport {
  const { positionCount, klMean, klPercentiles, sameTop, perplexity, perplexityExact } = summary;
  return {
    tokens,
    positions: positionCount,
    kl_mean: klMean,
    kl_p50: klPercentiles.p50,
    kl_p99: klPercentiles.p99,
    kl_p999: klPercentiles.p999,
    same_top: sameTop,
    ppl: perplexity,
    ppl_exact: perplexityExact,
    ppl_ratio: perplexity / perplexityExact,
    ratio: bytes.packed === 0 ? 1 : bytes.raw / bytes.packed,
    bits,
    bytes,
    ...(fallbackShare === undefined ? {} : { fallback_share: fallbackShare }),
  };
}

/** Puts the reports of all contexts together. */
export function evalReport(
  model: LoadedModel,
  facts: {
    text: string;
    codec: EvalCodec;
    /** The codec with its settings. */
    words: string;
    from: number;
    sizes: BesideSize;
    worst: WorstToken;
    contexts: ContextReport[];
  },
): EvalReport {
  const { text, codec, words, from, sizes, worst, contexts } = facts;
  const { kvHeadCount, headSize, name } = model.shape;
  const sinkTokens = sinkTokenCount(codec);
  const { windowTokenCount: windowTokens = WINDOW_TOKEN_COUNT } = codec;
  const blockBytes = 4 * kvHeadCount * headSize * BLOCK_TOKEN_COUNT * sizes.sealedLayerCount;
  const sinks = sinkTokens * blockBytes / BLOCK_TOKEN_COUNT;
  const last = contexts[contexts.length - 1];
  const { near } = sizes;
  const nearRaw = near?.raw ?? 0;
  // What a codec by construction takes within windows follows from its bits.
  const nearPacked = codec.baseline === null
    ? near?.packed ?? 0
    : nearRaw * last.bytes.packed / last.bytes.raw;
  const raw = last.bytes.raw - nearRaw;
  const allInFacts = {
    raw,
    packed: last.bytes.packed - nearPacked,
    allocated: last.bytes.allocated - nearPacked,
    blockCount: raw / blockBytes,
    near: near && { ...near, packed: nearPacked },
    sinks,
    sinksArePacked: codec.baseline === null,
    windowBlockCount: windowTokens / BLOCK_TOKEN_COUNT,
    window: sizes.window,
    tables: sizes.tables + (codec.baseline?.codec.tableBytes ?? 0),
  };
  return {
    text,
    profile: words,
    codec: codec.name,
    model: name,
    from,
    ...last,
    by_construction: codec.baseline !== null,
    sinks: { tokens: sinkTokens, bytes: sinks },
    window_tokens: windowTokens,
    window_bytes: sizes.allWindows,
    all_in: ALL_IN_TOKENS.flatMap((tokens) => allInBytes(allInFacts, tokens) ?? []),
    worst,
    contexts,
  };
}
