/**
 * The whole model as commands: decode rows and slices from token ids to sampled ids, which stay on
 * the device for the next step.
 *
 * @module
 */

import type { SamplingOptions } from "../core/sampling.ts";
import {
  type CodecProfile,
  type ModelShape,
  SLICE_TOKEN_COUNT,
  WORD_SIZE_BYTES,
} from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { readBuffer } from "../gpu/read_back.ts";
import { EmbedKernel } from "../kernels/embed.ts";
import { ROW_TILE } from "../kernels/matmul.ts";
import {
  SAMPLE_SETTINGS_SIZE_BYTES,
  SampleKernel,
  sampleSettingsWords,
} from "../kernels/sample.ts";
import type { KvCache } from "../kvcache/kv_cache.ts";
import type { DecodeRow, PrefillSlice } from "../scheduler/step_plan.ts";
import { DecodeAttention } from "./decode_attention.ts";
import { Head } from "./head.ts";
import { LayerStack } from "./layer_stack.ts";
import { MatmulSet } from "./matmul_set.ts";
import { SliceAttention } from "./slice_attention.ts";
import { RopeTable } from "./rope_table.ts";
import { type Row, RowGroup } from "./row_group.ts";
import type { ModelWeights } from "./weights.ts";

/** What a graph is built from. */
export interface ForwardGraphOptions {
  shape: ModelShape;
  weights: ModelWeights;
  cache: KvCache;
  profile: CodecProfile;
}

/** Rows, layers and what follows them, for decode or for slices. */
interface Path {
  group: RowGroup;
  stack: LayerStack;
  head: Head;
  embed: ReturnType<EmbedKernel["bind"]>;
  /** u32x4 `[rows]`: slot, position of each row that is sampled. */
  sampleRows: GPUBuffer;
  sample: GPUBindGroup;
}

/** Records the forward pass for one cache. */
export class ForwardGraph {
  /** u32: the last sampled id of each slot, then the ids of the slice. */
  readonly sampledIds: GPUBuffer;
  #gpu: Gpu;
  #options: ForwardGraphOptions;
  #settings: GPUBuffer;
  #embed: EmbedKernel;
  #sample: SampleKernel;
  #decode: Path;
  #slice: Path;
  /** f32 `[ROW_TILE, width]`: the last row of a slice, whose logits are sampled. */
  #lastRow: GPUBuffer;
  #matmuls: MatmulSet;
  /** Logits of all rows of a slice; made when first wanted. */
  #sliceHead: Head | null = null;

  private constructor(gpu: Gpu, options: ForwardGraphOptions, parts: GraphParts) {
    this.#gpu = gpu;
    this.#options = options;
    this.sampledIds = parts.ids;
    this.#settings = parts.settings;
    this.#embed = parts.embed;
    this.#sample = parts.sample;
    this.#decode = parts.decode;
    this.#slice = parts.slice;
    this.#lastRow = parts.lastRow;
    this.#matmuls = parts.matmuls;
  }

  /** Compiles all kernels and allocates activations. */
  static async create(gpu: Gpu, options: ForwardGraphOptions): Promise<ForwardGraph> {
    return new ForwardGraph(gpu, options, await createParts(gpu, options));
  }

  /** Sets how tokens of a slot are sampled. */
  setSampling(slot: number, settings: SamplingOptions): void {
    const words = sampleSettingsWords(settings);
    this.#gpu.write(this.#settings, slot * SAMPLE_SETTINGS_SIZE_BYTES, words);
  }

  /** Records one decode row per sequence, from its slot's last id, or a known one, to the next. */
  recordDecodes(encoder: GPUCommandEncoder, decodes: readonly DecodeRow[]): void {
    for (const { slot, knownId } of decodes) {
      if (knownId === null) continue;
      this.#gpu.write(this.sampledIds, slot * WORD_SIZE_BYTES, Uint32Array.of(knownId));
    }
    const rows = decodes.map(({ slot, position, blockCount }) => {
      return { slot, position, blockCount, idIndex: slot };
    });
    const pass = encoder.beginComputePass({ label: "decode" });
    this.#recordEmbedding(pass, this.#decode, rows);
    this.#decode.stack.record(pass, rows);
    this.#recordHead(pass, this.#decode, rows);
    pass.end();
  }

  /** Records layers of a slice of a prompt; samples after the last prompt token. */
  recordSlice(
    encoder: GPUCommandEncoder,
    slice: PrefillSlice,
    options: { wantsLogits?: boolean },
  ): void {
    const { slot, position, ids, blockCount, layers, isComplete, isLast } = slice;
    const { slotCount } = this.#options.cache.shape;
    const rows = ids.map((_, index) => {
      return { slot, position: position + index, blockCount, idIndex: slotCount + index };
    });
    const pass = encoder.beginComputePass({ label: "slice" });
    if (layers.first === 0) {
      this.#gpu.write(this.sampledIds, slotCount * WORD_SIZE_BYTES, Uint32Array.from(ids));
      this.#recordEmbedding(pass, this.#slice, rows);
    }
    this.#slice.stack.record(pass, rows, layers);
    if (options.wantsLogits && isComplete) this.#sliceHead?.record(pass, rows.length);
    pass.end();
    if (!isLast) return;
    const rowBytes = this.#options.shape.width * WORD_SIZE_BYTES;
    const start = (rows.length - 1) * rowBytes;
    encoder.copyBufferToBuffer(this.#slice.group.x, start, this.#lastRow, 0, rowBytes);
    const headPass = encoder.beginComputePass({ label: "slice head" });
    this.#recordHead(headPass, this.#slice, rows.slice(-1));
    headPass.end();
  }

  /** Makes room for the logits of all rows of slices; call before recording with `wantsLogits`. */
  async enableSliceLogits(): Promise<void> {
    const { weights } = this.#options;
    const { x } = this.#slice.group;
    const options = { weights, matmuls: this.#matmuls, x, rowCount: SLICE_TOKEN_COUNT };
    this.#sliceHead ??= await Head.create(this.#gpu, options);
  }

  /** Logits f32 `[vocabSize]` of the first `rowCount` rows of the last slice. */
  async readSliceLogits(rowCount: number): Promise<Float32Array[]> {
    if (this.#sliceHead === null) return [];
    return await this.#readLogits(this.#sliceHead, rowCount);
  }

  /** Logits f32 `[vocabSize]` of the first `rowCount` decode rows of the last step. */
  async readDecodeLogits(rowCount: number): Promise<Float32Array[]> {
    return await this.#readLogits(this.#decode.head, rowCount);
  }

  /** Frees all buffers. */
  destroy(): void {
    this.#sliceHead?.destroy();
    for (const { stack, head, sampleRows } of [this.#decode, this.#slice]) {
      stack.destroy();
      head.destroy();
      this.#gpu.destroyBuffer(sampleRows);
    }
    for (const buffer of [this.sampledIds, this.#settings, this.#lastRow]) {
      this.#gpu.destroyBuffer(buffer);
    }
  }

  #recordEmbedding(pass: GPUComputePassEncoder, path: Path, rows: readonly Row[]): void {
    path.group.write(rows);
    this.#embed.record(pass, path.embed, rows.length);
  }

  /** Records logits and the choice of a token for rows that are the first of the head's `x`. */
  #recordHead(pass: GPUComputePassEncoder, path: Path, rows: readonly Row[]): void {
    const words = rows.flatMap(({ slot, position }) => [slot, position, 0, 0]);
    this.#gpu.write(path.sampleRows, 0, Uint32Array.from(words));
    path.head.record(pass, rows.length);
    this.#sample.record(pass, path.sample, rows.length);
  }

  async #readLogits(head: Head, rowCount: number): Promise<Float32Array[]> {
    const { vocabSize } = this.#options.shape;
    const sizeBytes = rowCount * vocabSize * WORD_SIZE_BYTES;
    const values = new Float32Array(await readBuffer(this.#gpu, head.logits, { sizeBytes }));
    return Array.from({ length: rowCount }, (_, row) => {
      return values.subarray(row * vocabSize, (row + 1) * vocabSize);
    });
  }
}

interface GraphParts {
  ids: GPUBuffer;
  settings: GPUBuffer;
  embed: EmbedKernel;
  sample: SampleKernel;
  decode: Path;
  slice: Path;
  lastRow: GPUBuffer;
  matmuls: MatmulSet;
}

async function createParts(gpu: Gpu, options: ForwardGraphOptions): Promise<GraphParts> {
  const { shape, weights, cache } = options;
  const { slotCount } = cache.shape;
  const ids = gpu.createBuffer("ids", (slotCount + SLICE_TOKEN_COUNT) * WORD_SIZE_BYTES);
  const settings = gpu.createBuffer("sampling", slotCount * SAMPLE_SETTINGS_SIZE_BYTES);
  const lastRow = gpu.createBuffer("last row", ROW_TILE * shape.width * WORD_SIZE_BYTES);
  const embed = await EmbedKernel.create(gpu, weights.embedding);
  const sample = await SampleKernel.create(gpu, { vocabSize: shape.vocabSize });
  const matmuls = new MatmulSet(gpu, { normEpsilon: shape.normEpsilon });
  const ropeTable = new RopeTable(shape, weights.ropeFactors);
  const makePath = async (label: string, rowCount: number, headRows: GPUBuffer | null) => {
    const group = new RowGroup(gpu, { label, shape, rowCount, ropeTable });
    const kind = headRows === null ? DecodeAttention : SliceAttention;
    const attention = await kind.create(gpu, { ...options, group });
    const stack = await LayerStack.create({ ...options, matmuls, group, attention });
    const headRowCount = headRows === null ? rowCount : 1;
    const x = headRows ?? group.x;
    const head = await Head.create(gpu, { weights, matmuls, x, rowCount: headRowCount });
    const sampleRows = gpu.createBuffer(`${label} sample rows`, rowCount * 4 * WORD_SIZE_BYTES);
    const bound = sample.bind({ logits: head.logits, rows: sampleRows, settings, ids });
    const bindEmbed = embed.bind({ ids, rows: group.rows, x: group.x });
    return { group, stack, head, embed: bindEmbed, sampleRows, sample: bound };
  };
  return {
    ids,
    settings,
    embed,
    sample,
    decode: await makePath("decode", slotCount, null),
    slice: await makePath("slice", SLICE_TOKEN_COUNT, lastRow),
    lastRow,
    matmuls,
  };
}
