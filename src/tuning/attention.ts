/**
 * Contests of decode attention: how sequences are split, and how lanes exchange values.
 *
 * @module
 */

import type { AnyCodec } from "../codec/registry.ts";
import type { Row } from "../core/row.ts";
import { seededRandom } from "../core/seeded_random.ts";
import { SLICE_TOKEN_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { readBuffer } from "../gpu/read_back.ts";
import { ATTENTION_DECODE_VARIANTS } from "../kernels/attention_decode/variants.ts";
import { ATTENTION_MERGE_VARIANTS } from "../kernels/attention_merge/variants.ts";
import type { LanesVariant } from "../kernels/text/lanes.ts";
import { supportedVariants, type Variant } from "../kernels/variant.ts";
import { createReaders, decodeLanes } from "../kvcache/codecs/registry.ts";
import type { CacheShape } from "../kvcache/cache_shape.ts";
import type { KvCache } from "../kvcache/kv_cache.ts";
import { attentionShapes, SPLIT_VARIANTS, splitsKey, widest } from "../model/attention_splits.ts";
import { DecodeAttention } from "../model/decode_attention.ts";
import type { Attention } from "../model/layer_stack.ts";
import { RopeTables } from "../model/rope_table.ts";
import { RowGroup } from "../model/row_group.ts";
import { SliceAttention } from "../model/slice_attention.ts";
import type { TunedModel } from "./product_weights.ts";
import type { Contest, Entrant } from "./race.ts";
import { newestRow, sealedCache } from "./sealed_cache.ts";
import type { Timer } from "./timer.ts";

/** Layers of a run, each with keys and values of its own. */
const LAYERS_MAX = 8;

/** Rows that are run beside one, whose bits must not change by them. */
const COMPANY_COUNT = 4;

/** Squared error by the squares: a slice reads blocks as they are in f16, a decode row in f32. */
const ERROR_MAX = 1e-6;

/** Of the window, whatever the codec: it is raw. */
const WINDOW_LANES = { operation: "attention_decode/raw", variants: ATTENTION_DECODE_VARIANTS };

/** What attention is timed on. */
export interface TunedAttention {
  model: Pick<TunedModel, "plan" | "weights">;
  /** Of one sequence. */
  cacheShape: CacheShape;
  codec: AnyCodec;
}

/**
 * The contests, one after the other: each runs what those before it chose. The cache is made when
 * the first of them runs.
 */
export function attentionContests(
  gpu: Gpu,
  tuned: TunedAttention,
  time: Timer,
): { contests: Contest[]; destroy(): void } {
  let stage: Stage | null = null;
  const { facts } = gpu;
  const { model: { plan }, codec } = tuned;
  const { shapes } = attentionShapes(plan);
  const ofShapes = [...new Set(shapes.map((each) => JSON.stringify(each)))].join(" ");
  const contest = <S>(key: string, variants: readonly Variant<S>[], shape: S): Contest => ({
    key,
    keptAs: `${key} ${ofShapes}`,
    names: supportedVariants(variants, { facts, shape }).map(({ name }) => name),
    async prepare(name) {
      stage ??= await Stage.create(gpu, tuned);
      return await stage.prepare(key, name, time);
    },
  });
  const ofLanes = (key: string, variants: readonly LanesVariant[]) =>
    contest(key, variants, undefined);
  const shape = widest(shapes);
  // Rows that attend to latents run none of these kernels but the merge.
  if (shape.hasLatents) return { contests: [], destroy: () => {} };
  return {
    contests: [
      contest(splitsKey(shape), SPLIT_VARIANTS, shape),
      ...[decodeLanes(codec), WINDOW_LANES]
        .filter(({ operation }, index, all) =>
          all.findIndex((other) => other.operation === operation) === index
        )
        .map(({ operation, variants }) => ofLanes(operation, variants)),
      ofLanes("attention_merge", ATTENTION_MERGE_VARIANTS),
    ],
    destroy: () => stage?.destroy(),
  };
}

/** A cache, rows that read it, and what slices make of them. */
class Stage {
  #gpu: Gpu;
  #tuned: TunedAttention;
  #cache: KvCache;
  #decode: RowGroup;
  #slice: RowGroup;
  #row: Row;
  /** Layers whose blocks are sealed. */
  #layers: readonly number[];
  #expected: Float32Array | null = null;

  private constructor(gpu: Gpu, tuned: TunedAttention, cache: KvCache) {
    const { plan, weights } = tuned.model;
    this.#gpu = gpu;
    this.#tuned = tuned;
    this.#cache = cache;
    this.#row = newestRow(cache.shape);
    const reaches = plan.layers.map((_, layer) => cache.reachOf(layer));
    const rope = new RopeTables(plan, weights.ropeFactors);
    const group = (label: string, rowCount: number, isSlice: boolean) =>
      new RowGroup(gpu, { label, plan, reaches, rope, rowCount, isSlice });
    this.#decode = group("tuning decode", COMPANY_COUNT, false);
    this.#slice = group("tuning slice", SLICE_TOKEN_COUNT, true);
    this.#layers = cache.sealed.map(({ layer }) => layer).slice(0, LAYERS_MAX);
    const random = seededRandom(5);
    const queryCount = this.#decode.q.size / COMPANY_COUNT / WORD_SIZE_BYTES;
    const q = Float32Array.from({ length: queryCount }, () => 4 * random() - 2);
    const others = Float32Array.from({ length: 3 * queryCount }, () => 4 * random() - 2);
    for (const { q: target } of [this.#decode, this.#slice]) {
      gpu.write(target, 0, q);
      gpu.write(target, q.byteLength, others);
    }
    this.#decode.write(Array(COMPANY_COUNT).fill(this.#row));
    this.#slice.write([this.#row]);
  }

  static async create(gpu: Gpu, tuned: TunedAttention): Promise<Stage> {
    const { cacheShape: shape, codec } = tuned;
    return new Stage(gpu, tuned, await sealedCache(gpu, { shape, codec }));
  }

  /** Attention of decode rows with one choice made otherwise. */
  async prepare(key: string, name: string, time: Timer): Promise<Entrant> {
    const { facts } = this.#gpu;
    const { tuned } = facts;
    facts.tuned = { ...tuned, [key]: name };
    let made: Awaited<ReturnType<Stage["attention"]>>;
    try {
      made = await this.attention(DecodeAttention, this.#decode);
    } finally {
      facts.tuned = tuned;
    }
    const { attended } = this.#decode;
    const rows = (count: number): Row[] => Array(count).fill(this.#row);
    const encode = (count: number) => (pass: GPUComputePassEncoder) => {
      for (const layer of this.#layers) made.attention.encode(pass, layer, rows(count));
    };
    return {
      time: () => time(`${key} / ${name}`, attended, encode(1)),
      fault: async () => {
        const alone = await this.#attended(this.#decode, encode(1));
        const beside = await this.#attended(this.#decode, encode(COMPANY_COUNT));
        if (!haveSameBits(alone, beside)) return "a row's bits change with its company";
        this.#expected ??= await this.#bySlice();
        const error = errorOf(alone, this.#expected);
        return error <= ERROR_MAX
          ? null
          : `it is off from attention of slices by a squared error of ${error}`;
      },
      destroy: made.destroy,
    };
  }

  /** Of decode rows or of a slice, as the facts say. */
  async attention(
    kind: typeof DecodeAttention | typeof SliceAttention,
    group: RowGroup,
  ): Promise<{ attention: Attention; destroy(): void }> {
    const { plan, weights } = this.#tuned.model;
    const cache = this.#cache;
    const readers = createReaders(this.#gpu, { cache, codec: this.#tuned.codec });
    const attention = await kind.create(this.#gpu, {
      ...attentionShapes(plan),
      ...{ cache, group, weights, readers },
    });
    return {
      attention,
      destroy() {
        attention.destroy();
        readers.destroy();
      },
    };
  }

  /** The same by other kernels: blocks are unpacked, and attended to as raw tiles. */
  async #bySlice(): Promise<Float32Array> {
    const { attention, destroy } = await this.attention(SliceAttention, this.#slice);
    const values = await this.#attended(this.#slice, (pass) => {
      for (const layer of [0, this.#layers[this.#layers.length - 1]]) {
        attention.encode(pass, layer, [this.#row]);
      }
    });
    destroy();
    return values;
  }

  /** What the first row gets, f32 `[queryHeadCount * headSize]`. */
  async #attended(
    { attended }: RowGroup,
    encode: (pass: GPUComputePassEncoder) => void,
  ): Promise<Float32Array> {
    const encoder = this.#gpu.device.createCommandEncoder();
    encoder.clearBuffer(attended);
    const pass = encoder.beginComputePass();
    encode(pass);
    pass.end();
    this.#gpu.device.queue.submit([encoder.finish()]);
    const sizeBytes = this.#decode.attended.size / COMPANY_COUNT;
    return new Float32Array(await readBuffer(this.#gpu, attended, { sizeBytes }));
  }

  destroy(): void {
    for (const each of [this.#decode, this.#slice, this.#cache]) each.destroy();
  }
}

function haveSameBits(a: Float32Array, b: Float32Array): boolean {
  const [left, right] = [a, b].map((each) => new Uint32Array(each.buffer));
  return left.every((word, index) => word === right[index]);
}

function errorOf(actual: Float32Array, expected: Float32Array): number {
  let [difference, size] = [0, 0];
  for (const [index, value] of expected.entries()) {
    difference += (actual[index] - value) ** 2;
    size += value ** 2;
  }
  return difference / size;
}
