import bundleText from "../../../shaders/lib/expert_bundle.wgsl" with { type: "text" };
import source from "../../../shaders/expert_matmul/rows.wgsl" with { type: "text" };
import { invariant } from "../../core/errors.ts";
import type { AdapterFacts, BufferSlice, Gpu } from "../../gpu/gpu.ts";
import { Kernel } from "../../gpu/kernel.ts";
import { expandTemplate } from "../../gpu/wgsl_template.ts";
import type { DeviceExpertWeights, ExpertWeightShape } from "../expert_layout.ts";
import { bundleCountMax, bundleSize } from "../expert_bundles.ts";
import {
  type Activation,
  MATMUL_NORM_TEXT,
  MATMUL_OUTPUT_TEXT,
  matmulGatedText,
  matmulProductText,
} from "../matmul/parts.ts";
import { MATMUL_VARIANTS, type MatmulVariant } from "../matmul/variants.ts";
import { chooseVariant } from "../variant.ts";
import { GROUP_ROW_COUNT } from "../weight_layout.ts";
import { EXPERT_BIAS_TEXT } from "./parts.ts";

/** What becomes of the outputs of a visit: as `MatmulOutput` says, by visit in place of row. */
export type ExpertOutput =
  | "store"
  | Activation
  /** Outputs are gates of `up`. */
  | { gated: Activation };

/** What an {@link ExpertMatmulKernel} is compiled for. */
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
  /** Which lanes load what; the first of `MATMUL_VARIANTS` that an adapter supports if left out. */
  way?: MatmulVariant["name"];
}

/** Buffers of one use of an {@link ExpertMatmulKernel}. */
export interface ExpertMatmulBuffers {
  weights: DeviceExpertWeights;
  /** f32 `[rows or visits, columnCount]`. */
  x: GPUBuffer | BufferSlice;
  /** f32 `[columnCount]`; with a norm. */
  normWeight?: GPUBuffer | BufferSlice;
  /** f32 `[visits, rowCount]`, or half as many of gated outputs. */
  y: GPUBuffer | BufferSlice;
  /** u32 `[bundles][BUNDLE_WORDS]`, as `expert_route` leaves them. */
  bundles: GPUBuffer | BufferSlice;
  /** f32 `[expertCount, rowCount]`; with biases. */
  biases?: GPUBuffer | BufferSlice;
  /** f32 `[visits, rowCount]`; with gated outputs. */
  up?: GPUBuffer | BufferSlice;
}

/** Bind groups of one use: per size of bundles, one per part of the weight. */
export type BoundExpertMatmul = readonly (readonly GPUBindGroup[])[];

const BUNDLE_SIZES = [1, 2, 4] as const;

/** `y = weight of the visit's expert · x`, with the norm before and the step after it fused. */
export class ExpertMatmulKernel {
  #options: ExpertMatmulOptions;
  #variant: MatmulVariant;
  /** By index in BUNDLE_SIZES, then part. */
  #kernels: Kernel[][];

  private constructor(
    options: ExpertMatmulOptions,
    variant: MatmulVariant,
    kernels: Kernel[][],
  ) {
    this.#options = options;
    this.#variant = variant;
    this.#kernels = kernels;
  }

  /** Compiles for weights of one shape and format. */
  static async create(gpu: Gpu, options: ExpertMatmulOptions): Promise<ExpertMatmulKernel> {
    const { weights, output } = options;
    invariant(weights.rowCount % GROUP_ROW_COUNT === 0, "experts begin with a group of rows");
    const variant = variantOf(gpu.facts, options);
    const kernels: Kernel[][] = [];
    for (const size of BUNDLE_SIZES) {
      const code = shaderText(options, variant, size);
      const kind = typeof output === "string" ? output : `gated ${output.gated}`;
      const label = `expert_matmul ${kind} ${weights.format} x${size}`;
      const byPart: Kernel[] = [];
      for (const part of weights.parts) {
        const constants = shaderConstants(options, { variant, part });
        byPart.push(await Kernel.create(gpu, { label, code, constants }));
      }
      kernels.push(byPart);
    }
    return new ExpertMatmulKernel(options, variant, kernels);
  }

  /** Binds buffers. */
  bind(buffers: ExpertMatmulBuffers): BoundExpertMatmul {
    const { weights, x, y, bundles, normWeight, biases, up } = buffers;
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
          ...(normEpsilon === undefined ? {} : { norm_weight: normWeight }),
          ...(hasBiases ? { biases } : {}),
          ...(typeof output === "string" ? {} : { up }),
        });
      })
    );
  }

  /** Encodes the product for `rowCount` rows, of which each has `usedCount` visits. */
  encode(pass: GPUComputePassEncoder, bound: BoundExpertMatmul, rowCount: number): void {
    const { weights: { rowCount: outputCount, expertCount }, usedCount } = this.#options;
    const size = BUNDLE_SIZES.indexOf(bundleSize(rowCount));
    const bundleCount = bundleCountMax({ expertCount, usedCount }, rowCount);
    for (const [index, kernel] of this.#kernels[size].entries()) {
      const grid = this.#variant.grid(outputCount / GROUP_ROW_COUNT, bundleCount);
      kernel.dispatch(pass, bound[size][index], ...grid);
    }
  }
}

function variantOf(facts: AdapterFacts, { way, weights }: ExpertMatmulOptions): MatmulVariant {
  return MATMUL_VARIANTS.find(({ name }) => name === way) ??
    chooseVariant("expert_matmul", MATMUL_VARIANTS, { facts, shape: weights });
}

function shaderText(
  { weights, output, hasBiases, normEpsilon }: ExpertMatmulOptions,
  variant: MatmulVariant,
  size: 1 | 2 | 4,
): string {
  return [
    expandTemplate(source, { token: size }),
    bundleText,
    matmulProductText(size, variant.way, weights.format),
    MATMUL_NORM_TEXT[normEpsilon === undefined ? "none" : "rms"],
    typeof output === "string" ? MATMUL_OUTPUT_TEXT[output] : matmulGatedText(output.gated),
    EXPERT_BIAS_TEXT[hasBiases ? "add" : "none"],
  ].join("\n");
}

function shaderConstants(
  { weights, usedCount, input, output, normEpsilon }: ExpertMatmulOptions,
  { variant, part }: { variant: MatmulVariant; part: ExpertWeightShape["parts"][number] },
): Record<string, number> {
  return {
    COLUMN_COUNT: weights.columnCount,
    OUTPUT_COUNT: weights.rowCount,
    EXPERT_START: part.expertStart,
    EXPERT_COUNT: part.expertCount,
    VISITS_PER_ROW: input === "row" ? usedCount : 1,
    SLICE_COUNT: variant.sliceCount(weights),
    ...(typeof output === "string" ? {} : { UP_COLUMN_COUNT: weights.rowCount }),
    ...(normEpsilon === undefined ? {} : { EPSILON: normEpsilon }),
  };
}
