import { WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import {
  ACTIVATION_GROUP_SIZE,
  ActivationQuantiseKernel,
  CODE_WORDS,
  SIDE_WORDS,
} from "../activation_quantise/groups.ts";
import { WEIGHT_FORMATS, type WeightFormat } from "../weight_formats.ts";
import type { WeightFormatSpec } from "../weight_formats/spec.ts";
import type { WeightShape } from "../weight_layout.ts";
import type { BoundMatmul, MatmulOptions } from "./product.ts";
import type { MatmulVariant } from "./variants.ts";

/** A buffer of so many bytes, for what lives no longer than a product. */
export type ProductScratch = (label: string, sizeBytes: number) => GPUBuffer;

/** What products of codes have beside those in f32. */
export interface CodesOptions {
  /** How many lanes share a sum; the first of `MATMUL_CODES_VARIANTS` if left out. */
  way?: MatmulVariant["name"];
  scratch: ProductScratch;
}

/** What products of codes are compiled for. */
export interface MatmulCodesOptions extends MatmulOptions, CodesOptions {}

/** What codes are made for. */
export interface CodeInputsOptions {
  weights: { columnCount: number };
  normEpsilon?: number;
  scratch: ProductScratch;
}

/** What codes are made of, and where a product finds their scales. */
interface CodesBuffers {
  /** f32 `[rows, columnCount]`; codes of it where a product is bound. */
  x: GPUBuffer | BufferSlice;
  /** f32 `[columnCount]`; with a norm. */
  normWeight?: GPUBuffer | BufferSlice;
  xSides?: GPUBuffer;
}

/** Whether integers can be multiplied with the codes of a format. */
export function isOfCodes(format: WeightFormat): boolean {
  const spec: WeightFormatSpec = WEIGHT_FORMATS[format];
  return spec.hasBytes === true;
}

/** Whether every part of a weight has codes of its own that integers are multiplied with. */
export function hasCodes({ parts }: WeightShape): boolean {
  return parts.every(({ format }) => isOfCodes(format));
}

/** What makes codes of activations before a product, and where these lie. */
export class CodeInputs {
  #scratch: ProductScratch;
  #quantise: ActivationQuantiseKernel;

  private constructor(scratch: ProductScratch, quantise: ActivationQuantiseKernel) {
    this.#scratch = scratch;
    this.#quantise = quantise;
  }

  /** Compiles for the columns of a weight, and the norm before it. */
  static async create(
    gpu: Gpu,
    { weights: { columnCount }, normEpsilon, scratch }: CodeInputsOptions,
  ): Promise<CodeInputs> {
    const quantise = await ActivationQuantiseKernel.create(gpu, {
      columnCount,
      ...(normEpsilon === undefined ? {} : { normEpsilon }),
    });
    return new CodeInputs(scratch, quantise);
  }

  /** The first bind group is that of the codes, the others are those of the product. */
  bind<Buffers extends CodesBuffers>(
    buffers: Buffers,
    pipelines: { bind(buffers: Buffers): BoundMatmul },
  ): BoundMatmul {
    const { x, normWeight } = buffers;
    const groupCount = Math.floor(sizeBytesOf(x) / WORD_SIZE_BYTES / ACTIVATION_GROUP_SIZE);
    const codes = this.#scratch("activation codes", groupCount * CODE_WORDS * WORD_SIZE_BYTES);
    const sides = this.#scratch("activation scales", groupCount * SIDE_WORDS * WORD_SIZE_BYTES);
    const quantised = this.#quantise.bind({
      x,
      codes,
      sides,
      ...(normWeight === undefined ? {} : { normWeight }),
    });
    return [[quantised], ...pipelines.bind({ ...buffers, x: codes, xSides: sides })];
  }

  /** Makes the codes of `rowCount` rows; what is left is bound to the product. */
  encode(pass: GPUComputePassEncoder, bound: BoundMatmul, rowCount: number): BoundMatmul {
    const [[quantised], ...products] = bound;
    this.#quantise.encode(pass, quantised, rowCount);
    return products;
  }
}

function sizeBytesOf(x: GPUBuffer | BufferSlice): number {
  return "buffer" in x ? x.size ?? x.buffer.size - (x.offset ?? 0) : x.size;
}
