/**
 * Kernels that sum up what tokens got from rows of a slice, and how large queries and keys are by
 * channel, bound to each layer.
 *
 * @module
 */

import type { BufferSlice, Gpu } from "../gpu/gpu.ts";
import { AttentionScoresKernel } from "../kernels/attention_scores/raw.ts";
import { ChannelScoresKernel } from "../kernels/channel_scores/raw.ts";
import type { AttentionShape, SplitShape } from "../kernels/text/attention.ts";
import type { TileSource } from "../kernels/text/raw_tiles.ts";
import type { KvCache } from "./kv_cache.ts";
import type { PromptScores } from "./prompt_scores.ts";

/** What is scored, and from what. */
export interface SliceScorerOptions {
  shape: AttentionShape;
  splits: SplitShape;
  cache: KvCache;
  scores: PromptScores;
  q: GPUBuffer;
  rows: GPUBuffer;
  partials: GPUBuffer;
  /** By layer: learned sinks, f32 `[queryHeadCount]`. */
  sinksOf: readonly (GPUBuffer | null)[];
}

/** Scores the blocks of one source. */
export interface BoundScorer {
  /** Encodes a layer; `segment` is that of scratch. */
  encode(
    pass: GPUComputePassEncoder,
    at: { layer: number; segment?: number; blockCount: number },
  ): void;
}

/** A layer's kernel of tokens, and what both kernels bind of each segment. */
interface BoundLayer {
  kernel: AttentionScoresKernel;
  bound: { scores: GPUBindGroup; channels: GPUBindGroup }[];
}

/** See the module. */
export class SliceScorer {
  #gpu: Gpu;
  #options: SliceScorerOptions;

  constructor(gpu: Gpu, options: SliceScorerOptions) {
    this.#gpu = gpu;
    this.#options = options;
  }

  /** For tiles of the window. */
  bindWindow(): Promise<BoundScorer> {
    const { cache } = this.#options;
    return this.#bind("window", (layer) => [{ tiles: cache.windowOf(layer) }]);
  }

  /** For sealed blocks: raw ones in the arena, or others as they were unpacked. */
  bindSealed(
    source: "arena" | "scratch",
    unpacked?: { tiles: GPUBuffer; segments: readonly BufferSlice[]; blocksPerSegment: number },
  ): Promise<BoundScorer> {
    const { cache } = this.#options;
    return this.#bind(source, (layer) => {
      if (!unpacked) {
        return [{ tiles: cache.arenaOf(layer), directory: cache.directoryOf(layer) }];
      }
      const { tiles, segments } = unpacked;
      // All tokens of a block are there while a prompt is read: nobody looks how many.
      return segments.map((segment) => ({ tiles, directory: null, segment }));
    }, unpacked?.blocksPerSegment);
  }

  async #bind(
    source: TileSource,
    buffersOf: (layer: number) => readonly {
      tiles: GPUBuffer;
      directory?: BufferSlice | null;
      segment?: BufferSlice;
    }[],
    blocksPerSegment = 0,
  ): Promise<BoundScorer> {
    const { shape, splits, cache, scores, q, rows, partials, sinksOf } = this.#options;
    const { tokenCountMax, sinkCount, observed } = scores;
    const kernels = new Map<boolean, AttentionScoresKernel>();
    const tileCount = cache.windowTileCount;
    const { slotCount } = cache.shape;
    const common = { shape, splits, source, tileCount, blocksPerSegment };
    const channelKernel = await ChannelScoresKernel.create(this.#gpu, { ...common, slotCount });
    const layers: (BoundLayer | null)[] = [];
    for (const layer of cache.shape.storeOf.keys()) {
      const own = scores.scoresOf(layer);
      const sinks = sinksOf[layer];
      if (own === null) {
        layers.push(null);
        continue;
      }
      const hasSinks = sinks !== null;
      const kernel = kernels.get(hasSinks) ?? await AttentionScoresKernel.create(this.#gpu, {
        ...common,
        tokenCountMax,
        sinkCount,
        hasSinks,
      });
      kernels.set(hasSinks, kernel);
      const read = { q, rows, observed };
      const learned = sinks ? { sinks } : {};
      const bound = buffersOf(layer).map((buffers) => ({
        scores: kernel.bind({ ...read, ...buffers, partials, scores: own.scores, ...learned }),
        channels: channelKernel.bind({ ...read, ...buffers, channels: own.channels }),
      }));
      layers.push({ kernel, bound });
    }
    return {
      encode(pass, { layer, segment = 0, blockCount }) {
        const parts = layers[layer];
        parts?.kernel.encode(pass, parts.bound[segment].scores, blockCount);
        if (!parts || !scores.needsChannels || blockCount === 0) return;
        channelKernel.encode(pass, parts.bound[segment].channels);
      },
    };
  }
}
