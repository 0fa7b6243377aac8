/**
 * Contests of matrix products: of one row, and of a slice, for each shape of a model's weights.
 *
 * @module
 */

import { SLICE_TOKEN_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { seededRandom } from "../core/seeded_random.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { readBuffer } from "../gpu/read_back.ts";
import { hasCodes, type MatmulCodesOptions } from "../kernels/matmul/code_inputs.ts";
import { MatmulCodesKernel } from "../kernels/matmul/codes.ts";
import { createMatmul, createMatmulOfCodes } from "../kernels/matmul/create.ts";
import type { Matmul } from "../kernels/matmul/product.ts";
import { MatmulKernel } from "../kernels/matmul/rows.ts";
import {
  MATMUL_CODES_SLICE_VARIANTS,
  MATMUL_CODES_VARIANTS,
  MATMUL_SLICE_VARIANTS,
  MATMUL_VARIANTS,
  matmulKey,
  type MatmulSliceVariant,
} from "../kernels/matmul/variants.ts";
import { supportedVariants } from "../kernels/variant.ts";
import type { DeviceWeights } from "../kernels/weight_layout.ts";
import type { ProductMath } from "../model/product_math.ts";
import { codeValues, quantiseActivationsReference } from "../reference/activation_quantise.ts";
import { matmulReference } from "../reference/matmul.ts";
import type { Contest, Entrant } from "./race.ts";
import type { ProductWeights } from "./product_weights.ts";
import type { Timer } from "./timer.ts";

/** Squared error by the squares, of sums of up to some thousand products in f32. */
const ERROR_MAX = 1e-10;

/** Rows that are run beside one, whose bits must not change by them. */
const COMPANY_COUNT = 4;

/** Rows of a short slice, whose bits must be those of a whole one. */
const SHORT_SLICE_COUNT = 17;

/** Weights of one shape that are gone through in a run, so that none stays in a device's caches. */
const WEIGHTS_MAX = 32;

/** A product, and what a run of it is made of. */
interface Product {
  gpu: Gpu;
  time: Timer;
  weights: readonly DeviceWeights[];
  wanted: ProductWeights["wanted"];
  /** The values of `x`. This and the buffers are made when they are first needed. */
  inputs: () => Float32Array<ArrayBuffer>;
  /** f32 `[rows, columnCount]` and `[rows, rowCount]`. */
  x: () => GPUBuffer;
  y: () => GPUBuffer;
  /** Whether it is made of codes of `x`. */
  isOfCodes: boolean;
}

/** The contests of all products, and what frees their buffers. */
export function productContests(
  gpu: Gpu,
  products: readonly ProductWeights[],
  { time, math = "f32" }: { time: Timer; math?: ProductMath | undefined },
): { contests: Contest[]; destroy(): void } {
  const buffers: GPUBuffer[] = [];
  const contests = products.flatMap(({ weights, wanted, isOfSlices }) => {
    const [{ rowCount, columnCount }] = weights;
    const most = isOfSlices ? SLICE_TOKEN_COUNT : COMPANY_COUNT;
    const inputs = once(() => {
      const random = seededRandom(11);
      return Float32Array.from({ length: most * columnCount }, () => 2 * random() - 1);
    });
    const own = (buffer: GPUBuffer) => {
      buffers.push(buffer);
      return buffer;
    };
    const x = once(() => own(gpu.createBufferWith("tuning x", inputs())));
    const y = once(() => own(gpu.createBuffer("tuning y", most * rowCount * WORD_SIZE_BYTES)));
    const isOfCodes = math !== "f32" && hasCodes(weights[0]);
    const product = { gpu, time, weights, wanted, inputs, x, y, isOfCodes };
    const [rows, slices] = isOfCodes
      ? codeContests(product, own)
      : [ofRows(product), ofSlices(product)];
    return isOfSlices ? [rows, slices] : [rows];
  });
  return {
    contests,
    destroy() {
      for (const buffer of buffers) gpu.destroyBuffer(buffer);
    },
  };
}

/** What `make` gives, made once. */
function once<T>(make: () => T): () => T {
  let made: { value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

function ofRows(product: Product): Contest {
  const { gpu, weights: [shape] } = product;
  const key = matmulKey("matmul", shape);
  return {
    key,
    keptAs: key,
    names: supportedVariants(MATMUL_VARIANTS, { facts: gpu.facts, shape }).map(({ name }) => name),
    async prepare(way) {
      const kernel = await MatmulKernel.create(gpu, {
        weights: shape,
        output: { kind: "store" },
        way,
      });
      const rowCounts = { rowCount: 1, otherRowCount: COMPANY_COUNT };
      return entrant(product, kernel, { key: `${key} / ${way}`, ...rowCounts });
    },
  };
}

/** Of a row, then of a slice, which is made in the order that won for a row. */
function codeContests(product: Product, own: (buffer: GPUBuffer) => GPUBuffer): Contest[] {
  const { gpu } = product;
  const made = new Map<string, GPUBuffer>();
  const scratch = (label: string, sizeBytes: number) => {
    const buffer = made.get(label) ?? own(gpu.createBuffer(label, sizeBytes));
    made.set(label, buffer);
    return buffer;
  };
  return [ofCodes(product, scratch), ofCodeSlices(product, scratch)];
}

function ofCodes(product: Product, scratch: MatmulCodesOptions["scratch"]): Contest {
  const { gpu, weights: [shape] } = product;
  const key = matmulKey("matmul of codes", shape);
  const variants = supportedVariants(MATMUL_CODES_VARIANTS, { facts: gpu.facts, shape });
  return {
    key,
    keptAs: key,
    names: [...new Set(variants.map(({ name }) => name))],
    async prepare(way) {
      const kernel = await MatmulCodesKernel.create(gpu, {
        weights: shape,
        output: { kind: "store" },
        way,
        scratch,
      });
      const rowCounts = { rowCount: 1, otherRowCount: COMPANY_COUNT };
      return entrant(product, kernel, { key: `${key} / ${way}`, ...rowCounts });
    },
  };
}

function ofSlices(product: Product): Contest {
  const { gpu, weights: [weights] } = product;
  return slicesBy(product, {
    operation: "matmul of slices",
    variants: MATMUL_SLICE_VARIANTS,
    create: (tileRowCount) =>
      createMatmul(gpu, { weights, output: { kind: "store" } }, tileRowCount),
  });
}

function ofCodeSlices(product: Product, scratch: MatmulCodesOptions["scratch"]): Contest {
  const { gpu, weights: [weights] } = product;
  return slicesBy(product, {
    operation: "matmul of slices of codes",
    variants: MATMUL_CODES_SLICE_VARIANTS,
    create: (tileRowCount) =>
      createMatmulOfCodes(gpu, { weights, output: { kind: "store" }, scratch }, tileRowCount),
  });
}

function slicesBy(
  product: Product,
  { operation, variants, create }: {
    operation: string;
    variants: readonly MatmulSliceVariant[];
    create: (tileRowCount: MatmulSliceVariant["tileRowCount"]) => Promise<Matmul>;
  },
): Contest {
  const { gpu, weights: [shape] } = product;
  const supported = supportedVariants(variants, { facts: gpu.facts, shape: undefined });
  const key = matmulKey(operation, shape);
  return {
    key,
    keptAs: key,
    names: [...new Set(supported.map(({ name }) => name))],
    async prepare(name) {
      const { tileRowCount } = supported.find((variant) => variant.name === name)!;
      const kernel = await create(tileRowCount);
      const rowCounts = { rowCount: SLICE_TOKEN_COUNT, otherRowCount: SHORT_SLICE_COUNT };
      return entrant(product, kernel, { key: `${key} / ${name}`, ...rowCounts });
    },
  };
}

/** A kernel that takes part: a run is the product of the rows with weights of several layers. */
function entrant(
  product: Product,
  kernel: Matmul,
  { key, rowCount, otherRowCount }: { key: string; rowCount: number; otherRowCount: number },
): Entrant {
  const { time, weights } = product;
  const [x, y] = [product.x(), product.y()];
  const bound = weights.slice(0, WEIGHTS_MAX).map((each) => kernel.bind({ weights: each, x, y }));
  return {
    time: () =>
      time(key, y, (pass) => {
        for (const each of bound) kernel.encode(pass, each, rowCount);
      }),
    async fault() {
      const encodeFirst = (count: number) => (pass: GPUComputePassEncoder) =>
        kernel.encode(pass, bound[0], count);
      const alone = await firstRow(product, encodeFirst(rowCount));
      const beside = await firstRow(product, encodeFirst(otherRowCount));
      if (!haveSameBits(alone, beside)) {
        return `a row's bits change with its company: ${rowCount} rows or ${otherRowCount}`;
      }
      return wrongness(product, alone);
    },
    destroy() {},
  };
}

async function firstRow(
  { gpu, weights: [{ rowCount }], y }: Product,
  encode: (pass: GPUComputePassEncoder) => void,
): Promise<Float32Array> {
  const encoder = gpu.device.createCommandEncoder();
  encoder.clearBuffer(y());
  const pass = encoder.beginComputePass();
  encode(pass);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
  const sizeBytes = rowCount * WORD_SIZE_BYTES;
  return new Float32Array(await readBuffer(gpu, y(), { sizeBytes }));
}

function wrongness({ wanted, inputs, isOfCodes }: Product, row: Float32Array): string | null {
  let [difference, size] = [0, 0];
  for (const { output, values } of wanted()) {
    const columnCount = values.length;
    const given = inputs().subarray(0, columnCount);
    const x = isOfCodes ? codeValues(quantiseActivationsReference(given, { columnCount })) : given;
    const [expected] = matmulReference(values, x, { columnCount });
    difference += (row[output] - expected) ** 2;
    size += expected ** 2;
  }
  const error = difference / size;
  return error <= ERROR_MAX ? null : `it is off from plain loops by a squared error of ${error}`;
}

function haveSameBits(a: Float32Array, b: Float32Array): boolean {
  const [left, right] = [a, b].map((each) => new Uint32Array(each.buffer));
  return left.every((word, index) => word === right[index]);
}
