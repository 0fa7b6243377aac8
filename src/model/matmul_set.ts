import type { Gpu } from "../gpu/gpu.ts";
import { hasCodes, type ProductScratch } from "../kernels/matmul/code_inputs.ts";
import { createMatmul, createMatmulOfCodes } from "../kernels/matmul/create.ts";
import type { Matmul, MatmulOptions, MatmulOutput } from "../kernels/matmul/product.ts";
import type { TileRowCount } from "../kernels/matmul/row_counts.ts";
import {
  MATMUL_CODES_SLICE_VARIANTS,
  MATMUL_SLICE_VARIANTS,
  matmulKey,
} from "../kernels/matmul/variants.ts";
import { chooseVariant } from "../kernels/variant.ts";
import type { DeviceWeights } from "../kernels/weight_layout.ts";
import type { ProductMath } from "./product_math.ts";

/** What a product is for. */
export interface MatmulUse {
  hasNorm: boolean;
  /** Whether its rows are those of a slice, whose bits may differ from those of other rows. */
  isSlice?: boolean;
  /** Whether it is made in f32 whatever the others are. */
  isExact?: boolean;
}

/** Matrix kernels compiled so far, one for each shape, format and use. */
export class MatmulSet {
  #gpu: Gpu;
  #normEpsilon: number;
  #math: ProductMath;
  #kernels = new Map<string, Promise<Matmul>>();
  /** By label and size: kernels run one after the other. */
  #scratch = new Map<string, GPUBuffer>();

  /** @param options `math`: f32 if left out. */
  constructor(gpu: Gpu, options: { normEpsilon: number; math?: ProductMath }) {
    this.#gpu = gpu;
    this.#normEpsilon = options.normEpsilon;
    this.#math = options.math ?? "f32";
  }

  /** The kernel for `weights`, compiled if it is new. */
  get(
    weights: DeviceWeights,
    output: MatmulOutput,
    { hasNorm, isSlice = false, isExact = false }: MatmulUse,
  ): Promise<Matmul> {
    const { rowCount, columnCount, parts } = weights;
    const starts = parts.map(({ format, rowStart }) => [format, rowStart]);
    const isOfCodes = this.#math !== "f32" && !isExact && hasCodes(weights);
    const tileRowCount = isSlice ? this.#tileRowCount(weights, isOfCodes) : null;
    const uses = [hasNorm, tileRowCount, isOfCodes];
    const key = JSON.stringify([rowCount, columnCount, starts, output, uses]);
    const known = this.#kernels.get(key);
    if (known) return known;
    const options: MatmulOptions = { weights, output };
    if (hasNorm) options.normEpsilon = this.#normEpsilon;
    const kernel = isOfCodes
      ? createMatmulOfCodes(this.#gpu, { ...options, scratch: this.scratch }, tileRowCount)
      : createMatmul(this.#gpu, options, tileRowCount);
    this.#kernels.set(key, kernel);
    return kernel;
  }

  /** What products have as scratch: the same buffer for all of a label and size. */
  readonly scratch: ProductScratch = (label, sizeBytes) => {
    const key = `${label} ${sizeBytes}`;
    const buffer = this.#scratch.get(key) ?? this.#gpu.createBuffer(label, sizeBytes);
    this.#scratch.set(key, buffer);
    return buffer;
  };

  #tileRowCount(weights: DeviceWeights, isOfCodes: boolean): TileRowCount | null {
    const operation = isOfCodes ? "matmul of slices of codes" : "matmul of slices";
    const variants = isOfCodes ? MATMUL_CODES_SLICE_VARIANTS : MATMUL_SLICE_VARIANTS;
    const key = matmulKey(operation, weights);
    const choice = { facts: this.#gpu.facts, shape: undefined, key };
    return chooseVariant(operation, variants, choice).tileRowCount;
  }
}
