/**
 * Contests of attention: how sequences are split, how lanes of decode rows exchange values, and how
 * many queries of a slice a workgroup has.
 *
 * @module
 */

import type { AnyCodec } from "../codec/registry.ts";
import type { Row } from "../core/row.ts";
import { seededRandom } from "../core/seeded_random.ts";
import { SLICE_TOKEN_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { readBuffer } from "../gpu/read_back.ts";
import { RAW_LANES } from "../kernels/attention_decode/raw.ts";
import { ATTENTION_MERGE_VARIANTS } from "../kernels/attention_merge/variants.ts";
import {
  ATTENTION_PREFILL_VARIANTS,
  attentionPrefillKey,
} from "../kernels/attention_prefill/variants.ts";
import type { LanesVariant } from "../kernels/text/lanes.ts";
import { supportedVariants, type Variant } from "../kernels/variant.ts";
import { createReaders, decodeLanes } from "../kvcache/codecs/registry.ts";
import type { CacheShape } from "../kvcache/cache_shape.ts";
import { keepsAll } from "../kvcache/store.ts";
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

/** Which rows a contest is about. */
type RowsKind = "decode" | "slice";

/** Squared error by the squares: a slice reads blocks as they are in f16, a decode row in f32. */
const ERROR_MAX = 1e-6;

/** Rows that are written, of each kind. */
const ROW_COUNTS: Readonly<Record<RowsKind, number>> = {
  decode: COMPANY_COUNT,
  slice: SLICE_TOKEN_COUNT,
};

const ROWS_WORDS: Readonly<Record<RowsKind, string>> = { decode: "decode rows", slice: "slices" };

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
  const { shapes, sealedShape } = attentionShapes(plan);
  const ofShapes = [...new Set(shapes.map((each) => JSON.stringify(each)))].join(" ");
  const contest = <S>(
    key: string,
    variants: readonly Variant<S>[],
    { shape, kind = "decode" }: { shape: S; kind?: RowsKind },
  ): Contest => ({
    key,
    keptAs: `${key} ${ofShapes}`,
    names: supportedVariants(variants, { facts, shape }).map(({ name }) => name),
    async prepare(name) {
      stage ??= await Stage.create(gpu, tuned);
      return await stage.prepare({ kind, key, name }, time);
    },
  });
  const ofLanes = (key: string, variants: readonly LanesVariant[]) =>
    contest(key, variants, { shape: undefined });
  const shape = widest(shapes);
  const lanes = decodeLanes(codec);
  // Rows that attend to latents, or to unpacked records, run none of these kernels but the merge.
  if (shape.hasLatents || lanes === null) return { contests: [], destroy: () => {} };
  return {
    contests: [
      contest(splitsKey(shape), SPLIT_VARIANTS, { shape }),
      // The window is raw, whatever the codec.
      ...[lanes, RAW_LANES.window].map(({ operation, variants }) => ofLanes(operation, variants)),
      ofLanes("attention_merge", ATTENTION_MERGE_VARIANTS),
      contest(attentionPrefillKey(sealedShape), ATTENTION_PREFILL_VARIANTS, {
        shape: sealedShape,
        kind: "slice",
      }),
    ],
    destroy: () => stage?.destroy(),
  };
}

/** A cache, rows that read it, and what slices make of them. */
class Stage {
  #gpu: Gpu;
  #tuned: TunedAttention;
  #cache: KvCache;
  #groups: Readonly<Record<RowsKind, RowGroup>>;
  #row: Row;
  /** The first, and layers whose blocks are sealed, and stay. */
  #layers: readonly number[];
  /** What rows get by the kernels of the other kind. */
  #expected: Partial<Record<RowsKind, Float32Array>> = {};

  private constructor(gpu: Gpu, tuned: TunedAttention, cache: KvCache) {
    const { plan, weights } = tuned.model;
    this.#gpu = gpu;
    this.#tuned = tuned;
    this.#cache = cache;
    this.#row = newestRow(cache.shape);
    const sights = plan.layers.map((_, layer) => cache.sightOf(layer));
    const rope = new RopeTables(plan, weights.ropeFactors);
    const group = (label: string, rowCount: number, isSlice: boolean) =>
      new RowGroup(gpu, { label, plan, sights, rope, rowCount, isSlice });
    this.#groups = {
      decode: group("tuning decode", COMPANY_COUNT, false),
      slice: group("tuning slice", SLICE_TOKEN_COUNT, true),
    };
    const sealed = cache.shape.stores.filter(keepsAll).map(({ layer }) => layer)
      .slice(0, LAYERS_MAX);
    // A slice says how many rows it has with the first layer.
    this.#layers = sealed.includes(0) ? sealed : [0, ...sealed];
    const random = seededRandom(5);
    const queryCount = this.#groups.decode.q.size / COMPANY_COUNT / WORD_SIZE_BYTES;
    const q = Float32Array.from({ length: queryCount }, () => 4 * random() - 2);
    const others = Float32Array.from({ length: 3 * queryCount }, () => 4 * random() - 2);
    for (const { q: target } of Object.values(this.#groups)) {
      gpu.write(target, 0, q);
      gpu.write(target, q.byteLength, others);
    }
    for (const kind of ["decode", "slice"] as const) {
      this.#groups[kind].write(Array(ROW_COUNTS[kind]).fill(this.#row));
    }
  }

  static async create(gpu: Gpu, tuned: TunedAttention): Promise<Stage> {
    const { cacheShape: shape, codec } = tuned;
    return new Stage(gpu, tuned, await sealedCache(gpu, { shape, codec }));
  }

  /** Attention of rows with one choice made otherwise. */
  async prepare(
    { kind, key, name }: { kind: RowsKind; key: string; name: string },
    time: Timer,
  ): Promise<Entrant> {
    const { facts } = this.#gpu;
    const { tuned } = facts;
    facts.tuned = { ...tuned, [key]: name };
    let made: Awaited<ReturnType<Stage["attention"]>>;
    try {
      made = await this.attention(kind);
    } finally {
      facts.tuned = tuned;
    }
    const { attention, destroy } = made;
    const { attended } = this.#groups[kind];
    const timedCount = kind === "slice" ? SLICE_TOKEN_COUNT : 1;
    return {
      time: () => time(`${key} / ${name}`, attended, this.#encoder(attention, timedCount)),
      fault: async () => {
        const alone = await this.#attended(kind, this.#encoder(attention, 1));
        const beside = await this.#attended(kind, this.#encoder(attention, COMPANY_COUNT));
        if (!haveSameBits(alone, beside)) return "a row's bits change with its company";
        const other = kind === "slice" ? "decode" : "slice";
        this.#expected[kind] ??= await this.#byOther(other);
        const error = errorOf(alone, this.#expected[kind]);
        return error <= ERROR_MAX
          ? null
          : `it is off from attention of ${ROWS_WORDS[other]} by a squared error of ${error}`;
      },
      destroy,
    };
  }

  /** All layers for some rows. */
  #encoder(attention: Attention, count: number): (pass: GPUComputePassEncoder) => void {
    const rows: Row[] = Array(count).fill(this.#row);
    return (pass) => {
      for (const layer of this.#layers) attention.encode(pass, layer, rows);
    };
  }

  /** Of decode rows or of a slice, as the facts say. */
  async attention(kind: RowsKind): Promise<{ attention: Attention; destroy(): void }> {
    const { plan, weights } = this.#tuned.model;
    const cache = this.#cache;
    const readers = createReaders(this.#gpu, { cache, codec: this.#tuned.codec });
    const made = kind === "slice" ? SliceAttention : DecodeAttention;
    const attention = await made.create(this.#gpu, {
      ...attentionShapes(plan),
      ...{ cache, group: this.#groups[kind], weights, readers },
    });
    return {
      attention,
      destroy() {
        attention.destroy();
        readers.destroy();
      },
    };
  }

  /**
   * The same row by the kernels of the other kind: slices attend to unpacked blocks as raw tiles,
   * decode rows to blocks where they lie.
   */
  async #byOther(kind: RowsKind): Promise<Float32Array> {
    const { attention, destroy } = await this.attention(kind);
    const values = await this.#attended(kind, this.#encoder(attention, 1));
    destroy();
    return values;
  }

  /** What the first row gets, f32 `[queryHeadCount * headSize]`. */
  async #attended(
    kind: RowsKind,
    encode: (pass: GPUComputePassEncoder) => void,
  ): Promise<Float32Array> {
    const { attended } = this.#groups[kind];
    const encoder = this.#gpu.device.createCommandEncoder();
    encoder.clearBuffer(attended);
    const pass = encoder.beginComputePass();
    encode(pass);
    pass.end();
    this.#gpu.device.queue.submit([encoder.finish()]);
    const sizeBytes = this.#groups.decode.attended.size / COMPANY_COUNT;
    return new Float32Array(await readBuffer(this.#gpu, attended, { sizeBytes }));
  }

  destroy(): void {
    for (const each of [...Object.values(this.#groups), this.#cache]) each.destroy();
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
