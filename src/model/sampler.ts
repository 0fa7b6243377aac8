/**
 * The end of the forward pass: logits to chosen tokens, changed and reported on as each sequence
 * asks.
 *
 * @module
 */

import type { Row } from "../core/row.ts";
import { type LogitAdjustments, needsCounts, type SamplingOptions } from "../core/sampling.ts";
import { WORD_SIZE_BYTES } from "../core/shapes.ts";
import type { Gpu } from "../gpu/gpu.ts";
import {
  ADJUST_SETTINGS_SIZE_BYTES,
  adjustSettingsWords,
  BIAS_SIZE_BYTES,
  biasWords,
  LogitsAdjustKernel,
  maskWordCount,
  tokenCountWords,
} from "../kernels/logits_adjust/row.ts";
import { SampleChunksKernel } from "../kernels/sample/chunks.ts";
import { SampleKernel } from "../kernels/sample/row.ts";
import {
  type BoundSample,
  SAMPLE_SETTINGS_SIZE_BYTES,
  sampleSettingsWords,
  type TokenSampler,
} from "../kernels/sample/sampling.ts";
import { SAMPLE_VARIANTS } from "../kernels/sample/variants.ts";
import { LOGPROB_RESULT_SIZE_BYTES, TokenLogprobsKernel } from "../kernels/token_logprobs/row.ts";
import { chooseVariant } from "../kernels/variant.ts";

/** What a sequence asks beside its {@link SamplingOptions}. */
export interface SamplingExtras {
  /** Null leaves logits as they are. */
  adjustments: LogitAdjustments | null;
  /** Whether {@link Sampler.setMasks} is called before each of its steps. */
  isMasked: boolean;
  /** Alternatives to report with each token, 0 to 20; null reports nothing. */
  topCount: number | null;
  promptIds: readonly number[];
  /** Tokens generated that no row feeds any more. */
  generatedIds: readonly number[];
}

const NO_EXTRAS: SamplingExtras = {
  adjustments: null,
  isMasked: false,
  topCount: null,
  promptIds: [],
  generatedIds: [],
};

const NEUTRAL: LogitAdjustments = {
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: [],
};

/** A result of {@link Sampler.record} that is to be read: whose it is, and how much of it. */
export interface ReportedRow {
  slot: number;
  topCount: number;
}

/** Buffers of one kind of rows, bound to the kernels. */
export interface SamplerPath {
  /** u32x4 `[rows]`: slot, position, whether a generated token was fed, index of id and mask. */
  rows: GPUBuffer;
  /** u32x4 `[rows]`: rows to report on. */
  wanted: GPUBuffer;
  /** u32 `[rows, 44]`. */
  results: GPUBuffer;
  adjusted: GPUBuffer;
  /** Chooses from the model's logits. */
  sample: BoundSample;
  adjust: GPUBindGroup;
  /** Chooses from the adjusted logits. */
  sampleAdjusted: BoundSample;
  report: GPUBindGroup;
}

interface SamplerOptions {
  ids: GPUBuffer;
  slotCount: number;
  /** Most guesses of a step. */
  draftRowCount: number;
  vocabSize: number;
}

/** Compiles what chooses tokens on an adapter. */
export async function createTokenSampler(gpu: Gpu, vocabSize: number): Promise<TokenSampler> {
  const how = { facts: gpu.facts, shape: { vocabSize } };
  const isByChunks = chooseVariant("sample", SAMPLE_VARIANTS, how).name === "chunks";
  return await (isByChunks ? SampleChunksKernel : SampleKernel).create(gpu, { vocabSize });
}

/** Chooses tokens for the slots of one cache. */
export class Sampler {
  readonly logprobs: TokenLogprobsKernel;
  #gpu: Gpu;
  #ids: GPUBuffer;
  #vocabSize: number;
  #sample: TokenSampler;
  #adjust: LogitsAdjustKernel;
  #slots: { settings: GPUBuffer; adjust: GPUBuffer; bias: GPUBuffer };
  #masks: GPUBuffer;
  #counts: GPUBuffer;
  #extras: SamplingExtras[];
  #paths: SamplerPath[] = [];

  private constructor(
    gpu: Gpu,
    options: SamplerOptions,
    kernels: { sample: TokenSampler; adjust: LogitsAdjustKernel; logprobs: TokenLogprobsKernel },
  ) {
    const { ids, slotCount, draftRowCount, vocabSize } = options;
    this.#gpu = gpu;
    this.#ids = ids;
    this.#vocabSize = vocabSize;
    this.#sample = kernels.sample;
    this.#adjust = kernels.adjust;
    this.logprobs = kernels.logprobs;
    this.#slots = {
      settings: gpu.createBuffer("sampling", slotCount * SAMPLE_SETTINGS_SIZE_BYTES),
      adjust: gpu.createBuffer("adjustments", slotCount * ADJUST_SETTINGS_SIZE_BYTES),
      bias: gpu.createBuffer("logit bias", slotCount * BIAS_SIZE_BYTES),
    };
    const maskBytes = maskWordCount(vocabSize) * WORD_SIZE_BYTES;
    this.#masks = gpu.createBuffer("token masks", (slotCount + draftRowCount) * maskBytes);
    this.#counts = gpu.createBuffer("token counts", slotCount * vocabSize * WORD_SIZE_BYTES);
    this.#extras = Array.from({ length: slotCount }, () => NO_EXTRAS);
  }

  /** Compiles the kernels; chosen tokens go to `ids`, u32 `[slots, …]`. */
  static async create(gpu: Gpu, options: SamplerOptions): Promise<Sampler> {
    const { vocabSize } = options;
    const sample = await createTokenSampler(gpu, vocabSize);
    const adjust = await LogitsAdjustKernel.create(gpu, { vocabSize });
    const logprobs = await TokenLogprobsKernel.create(gpu, { vocabSize });
    return new Sampler(gpu, options, { sample, adjust, logprobs });
  }

  /** Binds the logits of up to `rowCount` rows, f32 `[rows, vocabSize]`. */
  bind(label: string, logits: GPUBuffer, rowCount: number): SamplerPath {
    const make = (name: string, bytesPerRow: number) =>
      this.#gpu.createBuffer(`${label} ${name}`, rowCount * bytesPerRow);
    const rows = make("sample rows", 4 * WORD_SIZE_BYTES);
    const wanted = make("reported rows", 4 * WORD_SIZE_BYTES);
    const results = make("log-probabilities", LOGPROB_RESULT_SIZE_BYTES);
    const adjusted = make("adjusted logits", this.#vocabSize * WORD_SIZE_BYTES);
    const { settings, adjust, bias } = this.#slots;
    const ids = this.#ids;
    const [mask, counts] = [this.#masks, this.#counts];
    const path = {
      rows,
      wanted,
      results,
      adjusted,
      sample: this.#sample.bind({ logits, rows, settings, ids }, rowCount),
      adjust: this.#adjust.bind({
        logits,
        rows,
        settings: adjust,
        ids,
        mask,
        bias,
        counts,
        adjusted,
      }),
      sampleAdjusted: this.#sample.bind({ logits: adjusted, rows, settings, ids }, rowCount),
      report: this.logprobs.bind({ logits, wanted, ids, results }),
    };
    this.#paths.push(path);
    return path;
  }

  /** Sets how tokens of a slot are chosen, from the next encoded step on; counts start over. */
  set(slot: number, sampling: SamplingOptions, extras: Partial<SamplingExtras> = {}): void {
    const all = { ...NO_EXTRAS, ...extras };
    const adjustments = all.adjustments ?? NEUTRAL;
    this.#extras[slot] = all;
    const { settings, adjust, bias } = this.#slots;
    const write = (buffer: GPUBuffer, sizeBytes: number, words: Uint32Array) =>
      this.#gpu.write(buffer, slot * sizeBytes, words);
    write(settings, SAMPLE_SETTINGS_SIZE_BYTES, sampleSettingsWords(sampling));
    write(adjust, ADJUST_SETTINGS_SIZE_BYTES, adjustSettingsWords(adjustments, all));
    const { logitBias } = adjustments;
    if (logitBias.length > 0) write(bias, BIAS_SIZE_BYTES, biasWords(logitBias));
    if (!needsCounts(adjustments)) return;
    const sizeBytes = this.#vocabSize * WORD_SIZE_BYTES;
    write(this.#counts, sizeBytes, tokenCountWords(this.#vocabSize, all));
  }

  /**
   * Sets the tokens a slot may choose from, before its next step is submitted.
   *
   * @param masks Each u32 `[ceil(vocabSize / 32)]`: bit `id % 32` of word `id / 32` is set if
   * allowed. The first is the slot's, the others are those of its guesses.
   * @param firstDraft How many guesses the step has before its own.
   */
  setMasks(slot: number, [mask, ...ofDrafts]: readonly Uint32Array[], firstDraft: number): void {
    const sizeBytes = maskWordCount(this.#vocabSize) * WORD_SIZE_BYTES;
    this.#gpu.write(this.#masks, slot * sizeBytes, mask);
    const firstPlace = this.#extras.length + firstDraft;
    for (const [index, words] of ofDrafts.entries()) {
      this.#gpu.write(this.#masks, (firstPlace + index) * sizeBytes, words);
    }
  }

  /**
   * Encodes the choice of a token for each row.
   *
   * @param options `isDecode`: each row fed a generated token. `draftCount`: the last rows fed a
   * guess; their masks and tokens are behind those of the slots, and nothing is counted or reported
   * for them.
   * @returns The rows whose log-probabilities are in `path.results`, in order.
   */
  encode(
    pass: GPUComputePassEncoder,
    path: SamplerPath,
    options: { rows: readonly Row[]; isDecode: boolean; draftCount?: number },
  ): ReportedRow[] {
    const { rows, isDecode, draftCount = 0 } = options;
    const slotCount = this.#extras.length;
    const firstDraft = rows.length - draftCount;
    const words = rows.flatMap(({ slot, position }, row) =>
      row < firstDraft
        ? [slot, position, isDecode ? 1 : 0, slot]
        : [slot, position, 0, slotCount + row - firstDraft]
    );
    this.#gpu.write(path.rows, 0, Uint32Array.from(words));
    const isAdjusted = rows.some(({ slot }) => {
      const { adjustments, isMasked } = this.#extras[slot];
      return adjustments !== null || isMasked;
    });
    if (isAdjusted) this.#adjust.encode(pass, path.adjust, rows.length);
    this.#sample.encode(pass, isAdjusted ? path.sampleAdjusted : path.sample, rows.length);
    const reported = rows.slice(0, firstDraft).flatMap(({ slot }, row) => {
      const { topCount } = this.#extras[slot];
      return topCount === null ? [] : [{ row, slot, topCount }];
    });
    if (reported.length === 0) return [];
    const wanted = reported.flatMap(({ row, slot, topCount }) => [row, slot, topCount, 0]);
    this.#gpu.write(path.wanted, 0, Uint32Array.from(wanted));
    this.logprobs.encode(pass, path.report, reported.length);
    return reported;
  }

  /** Frees all buffers. */
  destroy(): void {
    const own = [...Object.values(this.#slots), this.#masks, this.#counts];
    const ofPaths = this.#paths.flatMap((path) => {
      const { rows, wanted, results, adjusted, sample, sampleAdjusted } = path;
      return [rows, wanted, results, adjusted, ...sample.scratch, ...sampleAdjusted.scratch];
    });
    for (const buffer of [...own, ...ofPaths]) this.#gpu.destroyBuffer(buffer);
  }
}
