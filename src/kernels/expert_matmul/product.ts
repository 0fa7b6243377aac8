/**
 * What the products of experts have in common: what is asked of them, and their pipelines.
 *
 * @module
 */

import { invariant } from "../../core/errors.ts";
import type { BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { type BundleRoom, bundleText } from "../expert_bundles.ts";
import type { DeviceExpertWeights, ExpertWeightShape } from "../expert_layout.ts";
import {
  type Activation,
  MATMUL_NORM_TEXT,
  MATMUL_OUTPUT_TEXT,
  matmulGatedText,
} from "../matmul/parts.ts";
import { GROUP_ROW_COUNT } from "../weight_layout.ts";
import { EXPERT_BIAS_TEXT } from "./parts.ts";

/** What becomes of the outputs of a visit: as `MatmulOutput` says, by visit in place of row. */
export type ExpertOutput =
  | "store"
  | Activation
  /** Outputs are gates of `up`. */
  | { gated: Activation };

/** What a product of experts is compiled for. */
export interface ExpertMatmulOptions {
  weights: ExpertWeightShape;
  /** Experts that a row goes through. */
  usedCount: number;
  /** Whether x has a row for each row of the step, or for each visit. */
  input: "row" | "visit";
  output: ExpertOutput;
  hasBiases: boolean;
  /** Epsilon of an RMSNorm of `x`; no norm if left out. */
  normEpsilon?: number;
}

/** Buffers of one use of a product of experts. */
export interface ExpertMatmulBuffers {
  weights: DeviceExpertWeights;
  /** f32 `[rows or visits, columnCount]`. */
  x: GPUBuffer | BufferSlice;
  /** Where `x` is codes of 8 bits: scales and sums, as `activation_quantise` makes them. */
  xSides?: GPUBuffer;
  /** f32 `[columnCount]`; with a norm. */
  normWeight?: GPUBuffer | BufferSlice;
  /** f32 `[visits, rowCount]`, or half as many of gated outputs. */
  y: GPUBuffer | BufferSlice;
  /** u32 `[bundles][bundleWordCount()]`, as `expert_route` leaves them, with the product's room. */
  bundles: GPUBuffer | BufferSlice;
  /** f32 `[expertCount, rowCount]`; with biases. */
  biases?: GPUBuffer | BufferSlice;
  /** f32 `[visits, rowCount]`; with gated outputs. */
  up?: GPUBuffer | BufferSlice;
}

/** Bind groups of one use: per size of bundles, one per part of the weight. */
export type BoundExpertMatmul = readonly (readonly GPUBindGroup[])[];

/** `y = weight of the visit's expert · x`, with the norm before and the step after it fused. */
export interface ExpertMatmul {
  /** Binds buffers. */
  bind(buffers: ExpertMatmulBuffers): BoundExpertMatmul;
  /** Encodes the product for `rowCount` rows, of which each has `usedCount` visits. */
  encode(pass: GPUComputePassEncoder, bound: BoundExpertMatmul, rowCount: number): void;
}

/** How the pipelines of a variant are made. */
export interface ExpertPipelineOptions {
  /** What labels begin with; `expert_matmul` if left out. */
  operation?: string;
  /** Visits of a bundle, a pipeline each. */
  sizes: readonly number[];
  room: BundleRoom;
  /** WGSL but for bundles, the norm, biases and the output. */
  textOf(size: number): string;
  /** Constants beside those of every product. */
  constants: Record<string, number>;
}

/** The pipelines of a variant, by size of bundles and part of the weight. */
export class ExpertPipelines {
  #options: ExpertMatmulOptions;
  #kernels: readonly (readonly Kernel[])[];

  private constructor(options: ExpertMatmulOptions, kernels: readonly (readonly Kernel[])[]) {
    this.#options = options;
    this.#kernels = kernels;
  }

  /** Compiles for weights of one shape and format. */
  static async create(
    gpu: Gpu,
    options: ExpertMatmulOptions,
    variant: ExpertPipelineOptions,
  ): Promise<ExpertPipelines> {
    const { weights, output } = options;
    const { operation = "expert_matmul" } = variant;
    invariant(weights.rowCount % GROUP_ROW_COUNT === 0, "experts begin with a group of rows");
    const kernels: Kernel[][] = [];
    for (const size of variant.sizes) {
      const code = [variant.textOf(size), bundleText(variant.room), commonText(options)].join("\n");
      const kind = typeof output === "string" ? output : `gated ${output.gated}`;
      const label = `${operation} ${kind} ${weights.format} x${size}`;
      const byPart: Kernel[] = [];
      for (const part of weights.parts) {
        const constants = { ...commonConstants(options, part), ...variant.constants };
        byPart.push(await Kernel.create(gpu, { label, code, constants }));
      }
      kernels.push(byPart);
    }
    return new ExpertPipelines(options, kernels);
  }

  /** Binds buffers to every pipeline. */
  bind(buffers: ExpertMatmulBuffers): BoundExpertMatmul {
    const { weights, x, xSides, y, bundles, normWeight, biases, up } = buffers;
    const { weights: shape, output, hasBiases, normEpsilon } = this.#options;
    invariant(weights.format === shape.format, "the weight has the format compiled for");
    invariant(weights.parts.length === shape.parts.length, "the weight has the parts compiled for");
    return this.#kernels.map((byPart) =>
      byPart.map((kernel, index) => {
        const { words, scales } = weights.parts[index];
        return kernel.bind({
          weights: words,
          scales,
          x,
          y,
          bundles,
          ...(xSides === undefined ? {} : { x_sides: xSides }),
          ...(normEpsilon === undefined ? {} : { norm_weight: normWeight }),
          ...(hasBiases ? { biases } : {}),
          ...(typeof output === "string" ? {} : { up }),
        });
      })
    );
  }

  /** Dispatches the pipelines of one size of bundles, for all parts. */
  encode(
    pass: GPUComputePassEncoder,
    bound: BoundExpertMatmul,
    { size, grid }: { size: number; grid: [x: number, y: number] },
  ): void {
    for (const [index, kernel] of this.#kernels[size].entries()) {
      kernel.dispatch(pass, bound[size][index], ...grid);
    }
  }
}

function commonText({ output, hasBiases, normEpsilon }: ExpertMatmulOptions): string {
  return [
    MATMUL_NORM_TEXT[normEpsilon === undefined ? "none" : "rms"],
    typeof output === "string" ? MATMUL_OUTPUT_TEXT[output] : matmulGatedText(output.gated),
    EXPERT_BIAS_TEXT[hasBiases ? "add" : "none"],
  ].join("\n");
}

function commonConstants(
  { weights, usedCount, input, output, normEpsilon }: ExpertMatmulOptions,
  part: ExpertWeightShape["parts"][number],
): Record<string, number> {
  return {
    COLUMN_COUNT: weights.columnCount,
    OUTPUT_COUNT: weights.rowCount,
    EXPERT_START: part.expertStart,
    EXPERT_COUNT: part.expertCount,
    VISITS_PER_ROW: input === "row" ? usedCount : 1,
    ...(typeof output === "string" ? {} : { UP_COLUMN_COUNT: weights.rowCount }),
    ...(normEpsilon === undefined ? {} : { EPSILON: normEpsilon }),
  };
}
