import source from "../../../shaders/matmul/rows.wgsl" with { type: "text" };
import { WORD_SIZE_BYTES } from "../../core/shapes.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { expandTemplate } from "../../gpu/wgsl_template.ts";
import {
  ACTIVATION_GROUP_SIZE,
  ActivationQuantiseKernel,
  CODE_WORDS,
  SIDE_WORDS,
} from "../activation_quantise/groups.ts";
import { chooseVariant } from "../variant.ts";
import { WEIGHT_FORMATS } from "../weight_formats.ts";
import type { WeightFormatSpec } from "../weight_formats/spec.ts";
import type { WeightShape } from "../weight_layout.ts";
import { MATMUL_DOT_TEXT, matmulProductText } from "./parts.ts";
import {
  type BoundMatmul,
  type Matmul,
  type MatmulBuffers,
  type MatmulOptions,
  MatmulPipelines,
} from "./product.ts";
import { ROW_COUNTS, rowTiles } from "./row_counts.ts";
import { MATMUL_CODES_VARIANTS, matmulKey, type MatmulVariant } from "./variants.ts";

/** What a {@link MatmulCodesKernel} is compiled for. */
export interface MatmulCodesOptions extends MatmulOptions {
  /** How many lanes share a sum; the first of `MATMUL_CODES_VARIANTS` if left out. */
  way?: MatmulVariant["name"];
  /** A buffer of so many bytes, for what lives no longer than the product. */
  scratch: (label: string, sizeBytes: number) => GPUBuffer;
}

/** Whether every part of a weight has codes of its own that integers are multiplied with. */
export function hasCodes({ parts }: WeightShape): boolean {
  return parts.every(({ format }) => {
    const spec: WeightFormatSpec = WEIGHT_FORMATS[format];
    return spec.hasBytes === true;
  });
}

/**
 * The product of activations that are first made codes of 8 bits, with a scale for each row and
 * group of 32 columns. A row has the same bits for any number of rows, and its integers are the
 * same on every device.
 */
export class MatmulCodesKernel implements Matmul {
  #scratch: MatmulCodesOptions["scratch"];
  #variant: MatmulVariant;
  #quantise: ActivationQuantiseKernel;
  #pipelines: MatmulPipelines;

  private constructor(
    scratch: MatmulCodesOptions["scratch"],
    variant: MatmulVariant,
    kernels: { quantise: ActivationQuantiseKernel; pipelines: MatmulPipelines },
  ) {
    this.#scratch = scratch;
    this.#variant = variant;
    this.#quantise = kernels.quantise;
    this.#pipelines = kernels.pipelines;
  }

  /**
   * Compiles for weights of one shape and format, of which {@link hasCodes} holds.
   *
   * @throws {RangeError} If the heads do not make up the rows of the weight.
   */
  static async create(
    gpu: Gpu,
    options: MatmulCodesOptions,
    facts: AdapterFacts = gpu.facts,
  ): Promise<MatmulCodesKernel> {
    const { way, weights, output, normEpsilon } = options;
    const key = matmulKey("matmul of codes", weights);
    const variant = MATMUL_CODES_VARIANTS.find(({ name }) => name === way) ??
      chooseVariant("matmul of codes", MATMUL_CODES_VARIANTS, { facts, shape: weights, key });
    const dotText = MATMUL_DOT_TEXT[facts.hasDot4 ? "packed" : "apart"];
    const pipelines = await MatmulPipelines.create(gpu, { weights, output }, {
      rowCounts: ROW_COUNTS,
      textOf: (rowCount, format) =>
        [
          expandTemplate(source, { token: rowCount }),
          matmulProductText(rowCount as typeof ROW_COUNTS[number], "codes", format),
          dotText,
        ].join("\n"),
      constantsOf: () => ({ SLICE_COUNT: variant.sliceCount(weights) }),
    });
    const quantise = await ActivationQuantiseKernel.create(gpu, {
      columnCount: weights.columnCount,
      ...(normEpsilon === undefined ? {} : { normEpsilon }),
    });
    return new MatmulCodesKernel(options.scratch, variant, { quantise, pipelines });
  }

  /** The first bind group is that of the codes, the others are those of the product. */
  bind(buffers: MatmulBuffers): BoundMatmul {
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
    return [[quantised], ...this.#pipelines.bind({ ...buffers, x: codes, xSides: sides })];
  }

  encode(pass: GPUComputePassEncoder, bound: BoundMatmul, rowCount: number): void {
    const [[quantised], ...products] = bound;
    this.#quantise.encode(pass, quantised, rowCount);
    const { size, tileCount } = rowTiles(rowCount);
    const gridOf = (groupCount: number) => this.#variant.grid(groupCount, tileCount);
    this.#pipelines.encode(pass, products, { size, gridOf });
  }
}

function sizeBytesOf(x: GPUBuffer | BufferSlice): number {
  return "buffer" in x ? x.size ?? x.buffer.size - (x.offset ?? 0) : x.size;
}
