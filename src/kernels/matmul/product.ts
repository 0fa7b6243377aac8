/**
 * What the kernels of a matrix product have in common: what is asked of them, and their pipelines.
 *
 * @module
 */

import { invariant } from "../../core/errors.ts";
import { divCeil, WINDOW_TILE_COUNT } from "../../core/shapes.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { type Activation, MATMUL_NORM_TEXT, MATMUL_OUTPUT_TEXT, matmulGatedText } from "./parts.ts";
import type { WeightFormat } from "../weight_formats.ts";
import {
  type DeviceWeights,
  GROUP_ROW_COUNT,
  type WeightPart,
  type WeightShape,
} from "../weight_layout.ts";

/** What becomes of the outputs. */
export type MatmulOutput =
  /** `y = outputs`, f32 `[rows, outputCount]`. */
  | { kind: "store" }
  /** `y += factor * outputs`, f32 `[rows, outputCount]`; the factor is 1 if left out. */
  | { kind: "add"; factor?: number }
  /** `y += factor * (outputs + bias)`, likewise. */
  | { kind: "addBiased"; factor?: number }
  /** Outputs 2i, 2i+1 are gate i, up i: `y = silu(gate) * up`, f32 `[rows, outputCount / 2]`. */
  | { kind: "silu" }
  /** The same with GELU, by its approximation with tanh. */
  | { kind: "gelu" }
  /** The same with the clamped SwiGLU of gpt-oss: `parts/activation_clamped.wgsl`. */
  | { kind: "clamped" }
  /** Outputs are gates of `up`, by one of these three: `y`, f32 `[rows, outputCount]`. */
  | GatedOutput
  /** `y = cap * tanh(outputs / cap)`, f32 `[rows, outputCount]`. */
  | { kind: "capped"; cap: number }
  /**
   * Outputs are the query, key and value heads: queries turned by RoPE to `y`, f32
   * `[rows, queryHeadCount * headSize]`; keys (turned) and values to the window, as f16.
   */
  | HeadsOutput;

/** How gates are put to use. */
export interface GatedOutput {
  kind: "gated";
  activation: Activation;
  /** Values from a row of `up` to the next. */
  upColumnCount: number;
}

/** Heads, and the tiles of a slot in the window; 4 if left out. */
export interface HeadsOutput {
  kind: "heads";
  queryHeadCount: number;
  kvHeadCount: number;
  headSize: number;
  tileCount?: number;
}

/** What a product is compiled for. */
export interface MatmulOptions {
  /** The weight, or the shape of several equal ones. */
  weights: WeightShape;
  output: MatmulOutput;
  /** Epsilon of an RMSNorm of `x`; no norm if left out. */
  normEpsilon?: number;
}

/** Buffers of one use of a product. Rows are padded to a multiple of `ROW_TILE`. */
export interface MatmulBuffers {
  weights: DeviceWeights;
  /** f32 `[rows, columnCount]`. */
  x: GPUBuffer | BufferSlice;
  /** Where `x` is codes of 8 bits: scales and sums, as `activation_quantise` makes them. */
  xSides?: GPUBuffer;
  /** f32 `[columnCount]`; with a norm. */
  normWeight?: GPUBuffer | BufferSlice;
  /** As {@link MatmulOutput} says; not `x`. */
  y: GPUBuffer | BufferSlice;
  /** With output `addBiased`: f32 `[outputCount]`. */
  bias?: GPUBuffer | BufferSlice;
  /** With output `gated`: f32 `[rows, upColumnCount]`, or a part of it from the left. */
  up?: GPUBuffer | BufferSlice;
  /** With output `heads`: f32 `[rows, headSize / 2, 2]`, cosine and sine of each pair. */
  rope?: GPUBuffer | BufferSlice;
  /** With output `heads`: u32 `[rows][ROW_WORDS]`. */
  rows?: GPUBuffer | BufferSlice;
  /** With output `heads`: u32 `[slots, tileCount, tileWords]` of one layer. */
  window?: GPUBuffer | BufferSlice;
}

/** Bind groups of one use: per number of rows taken together, one per part of the weight. */
export type BoundMatmul = readonly (readonly GPUBindGroup[])[];

/** `y = weight · x` per row, with the norm before and the step after it fused. */
export interface Matmul {
  /** Binds buffers. */
  bind(buffers: MatmulBuffers): BoundMatmul;
  /** Encodes the product for `rowCount` rows. */
  encode(pass: GPUComputePassEncoder, bound: BoundMatmul, rowCount: number): void;
}

/** How the pipelines of a variant are made. */
export interface MatmulPipelineOptions {
  /** What labels begin with; `matmul` if left out. */
  operation?: string;
  /** Rows that one workgroup takes together, a pipeline each. */
  rowCounts: readonly number[];
  /** WGSL but for the norm and the output. */
  textOf(rowCount: number, format: WeightFormat): string;
  /** Constants beside those of every product. */
  constantsOf(groupCount: number): Record<string, number>;
}

/** The pipelines of a variant, by rows taken together and part of the weight. */
export class MatmulPipelines {
  #options: MatmulOptions;
  #kernels: readonly (readonly Kernel[])[];

  private constructor(options: MatmulOptions, kernels: readonly (readonly Kernel[])[]) {
    this.#options = options;
    this.#kernels = kernels;
  }

  /**
   * Compiles for weights of one shape and format.
   *
   * @throws {RangeError} If the heads do not make up the rows of the weight.
   */
  static async create(
    gpu: Gpu,
    options: MatmulOptions,
    variant: MatmulPipelineOptions,
  ): Promise<MatmulPipelines> {
    checkHeads(options);
    const { operation = "matmul" } = variant;
    const kernels: Kernel[][] = [];
    for (const rowCount of variant.rowCounts) {
      const byPart: Kernel[] = [];
      for (const [index, { format, rowStart }] of options.weights.parts.entries()) {
        const code = [variant.textOf(rowCount, format), commonText(options)].join("\n");
        const label = `${operation} ${options.output.kind} ${format} x${rowCount}`;
        const constants = {
          ...commonConstants(options),
          ...variant.constantsOf(groupCount(options.weights, index)),
          OUTPUT_START: rowStart,
        };
        byPart.push(await Kernel.create(gpu, { label, code, constants }));
      }
      kernels.push(byPart);
    }
    return new MatmulPipelines(options, kernels);
  }

  /** Binds buffers to every pipeline. */
  bind(buffers: MatmulBuffers): BoundMatmul {
    const { weights } = buffers;
    const { rowCount, columnCount, parts } = this.#options.weights;
    invariant(weights.rowCount === rowCount, "the weight has the rows compiled for");
    invariant(weights.columnCount === columnCount, "the weight has the columns compiled for");
    invariant(weights.parts.length === parts.length, "the weight has the parts compiled for");
    for (const [index, { format }] of parts.entries()) {
      invariant(weights.parts[index].format === format, "the part has the format compiled for");
    }
    return this.#kernels.map((byPart) =>
      byPart.map((kernel, index) => this.#bindPart(kernel, weights.parts[index], buffers))
    );
  }

  /**
   * Dispatches the pipelines of one number of rows.
   *
   * @param size Index of that number.
   * @param gridOf Workgroups of a part, by its groups of 32 outputs.
   */
  encode(
    pass: GPUComputePassEncoder,
    bound: BoundMatmul,
    { size, gridOf }: { size: number; gridOf: (groupCount: number) => [x: number, y: number] },
  ): void {
    for (const [index, kernel] of this.#kernels[size].entries()) {
      const grid = gridOf(groupCount(this.#options.weights, index));
      kernel.dispatch(pass, bound[size][index], ...grid);
    }
  }

  #bindPart(
    kernel: Kernel,
    part: WeightPart<GPUBuffer>,
    buffers: MatmulBuffers,
  ): GPUBindGroup {
    const { output, normEpsilon } = this.#options;
    const { x, xSides, y, normWeight, bias, up, rope, rows, window } = buffers;
    return kernel.bind({
      weights: part.words,
      scales: part.scales,
      x,
      y,
      ...(xSides === undefined ? {} : { x_sides: xSides }),
      ...(normEpsilon === undefined ? {} : { norm_weight: normWeight }),
      ...(output.kind === "addBiased" ? { bias } : {}),
      ...(output.kind === "gated" ? { up } : {}),
      ...(output.kind === "heads" ? { rope, rows, window } : {}),
    });
  }
}

function groupCount({ parts, rowCount }: WeightShape, partIndex: number): number {
  const end = parts[partIndex + 1]?.rowStart ?? rowCount;
  return divCeil(end - parts[partIndex].rowStart, GROUP_ROW_COUNT);
}

function checkHeads({ weights, output }: MatmulOptions): void {
  if (output.kind !== "heads") return;
  const { queryHeadCount, kvHeadCount, headSize } = output;
  const wanted = (queryHeadCount + 2 * kvHeadCount) * headSize;
  if (weights.rowCount !== wanted || headSize % 4 !== 0) {
    throw new RangeError(
      `Cannot split ${weights.rowCount} outputs into ${queryHeadCount} + 2 * ${kvHeadCount} ` +
        `heads of ${headSize}`,
    );
  }
}

function commonText(options: MatmulOptions): string {
  return [
    MATMUL_NORM_TEXT[options.normEpsilon === undefined ? "none" : "rms"],
    outputText(options.output),
  ].join("\n");
}

function outputText(output: MatmulOutput): string {
  return output.kind === "gated"
    ? matmulGatedText(output.activation)
    : MATMUL_OUTPUT_TEXT[output.kind];
}

function commonConstants({ weights, output, normEpsilon }: MatmulOptions): Record<string, number> {
  const constants: Record<string, number> = {
    COLUMN_COUNT: weights.columnCount,
    OUTPUT_COUNT: weights.rowCount,
  };
  if (normEpsilon !== undefined) constants.EPSILON = normEpsilon;
  if (output.kind === "add" || output.kind === "addBiased") constants.FACTOR = output.factor ?? 1;
  if (output.kind === "gated") constants.UP_COLUMN_COUNT = output.upColumnCount;
  if (output.kind === "capped") constants.CAP = output.cap;
  if (output.kind === "heads") {
    constants.QUERY_HEAD_COUNT = output.queryHeadCount;
    constants.KV_HEAD_COUNT = output.kvHeadCount;
    constants.HEAD_SIZE = output.headSize;
    constants.WINDOW_TILE_COUNT = output.tileCount ?? WINDOW_TILE_COUNT;
  }
  return constants;
}
