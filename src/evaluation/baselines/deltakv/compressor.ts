/**
 * Trained compressors of DeltaKV, as its authors publish them: `compress_down` and `compress_up`,
 * a pair for each layer that has one, or one pair for all.
 *
 * @module
 */

import { parseSafetensors, type Tensor } from "./safetensors.ts";

/** Rows times a vector, and a bias if there is one. */
interface Linear {
  kind: "linear";
  weight: Tensor;
  bias: Tensor | null;
}

/** `w3(silu(a) * b)`, a and b being the halves of `w12(x)`. */
interface SwiGlu {
  kind: "swiglu";
  w12: Linear;
  w3: Linear;
}

type Network = Linear | SwiGlu;

/** By layer; null stands for all layers. */
type Networks = ReadonlyMap<number | null, Network>;

/** Compressors of the layers of a model. */
export class Compressors {
  /** Numbers of a latent. */
  readonly latentSize: number;
  #down: Networks;
  #up: Networks;
  #headSize: number;

  private constructor(parts: { down: Networks; up: Networks; size: number; headSize: number }) {
    this.#down = parts.down;
    this.#up = parts.up;
    this.latentSize = parts.size;
    this.#headSize = parts.headSize;
  }

  /**
   * Loads a file.
   *
   * @param shape `width`: numbers of a token, keys and values of all heads.
   * @throws {RangeError} If it cannot be read, or holds no compressors of that width.
   */
  static load(path: string, shape: { width: number; headSize: number }): Compressors {
    let bytes: Uint8Array;
    try {
      bytes = Deno.readFileSync(path);
    } catch (error) {
      const why = error instanceof Error ? error.message : error;
      throw new RangeError(`Cannot read compressors from ${path}: ${why}`);
    }
    const tensors = parseSafetensors(bytes, {
      path,
      isWanted: (name) => name.includes("compress_"),
    });
    const [down, up] = (["compress_down", "compress_up"] as const)
      .map((name) => networksOf(tensors, { name, path }));
    const size = outputSize([...down.values()][0]);
    checkSizes(down, { path, name: "compress_down", from: shape.width, to: size });
    checkSizes(up, { path, name: "compress_up", from: size, to: shape.width });
    for (const layer of down.keys()) {
      if (!up.has(layer)) refuse(path, `layer ${layer} has no compress_up`);
    }
    return new Compressors({ down, up, size, headSize: shape.headSize });
  }

  /** Whether a layer has a pair; as published, one that has none keeps everything. */
  has(layer: number): boolean {
    return this.#down.has(layer) || this.#down.has(null);
  }

  /** `f_down` of a token, `[width]`, keys before RoPE. */
  down(layer: number, vector: Float64Array): Float64Array {
    const published = reordered(vector, this.#headSize, "to published");
    return run(ofLayer(this.#down, layer), published);
  }

  /** `f_up` of a latent. */
  up(layer: number, latent: Float64Array): Float64Array {
    return reordered(run(ofLayer(this.#up, layer), latent), this.#headSize, "from published");
  }
}

function ofLayer(networks: Networks, layer: number): Network {
  return networks.get(layer) ?? networks.get(null)!;
}

/**
 * The channels that make a pair of RoPE are half a head apart as published, and neighbours here.
 * Values stay as they are.
 */
function reordered(
  vector: Float64Array,
  headSize: number,
  direction: "to published" | "from published",
): Float64Array {
  const result = vector.slice();
  const half = headSize / 2;
  for (let head = 0; head < vector.length / 2; head += headSize) {
    for (let i = 0; i < headSize; i++) {
      const neighbour = head + 2 * (i % half) + Math.floor(i / half);
      if (direction === "to published") result[head + i] = vector[neighbour];
      else result[neighbour] = vector[head + i];
    }
  }
  return result;
}

function run(network: Network, x: Float64Array): Float64Array {
  if (network.kind === "linear") return runLinear(network, x);
  const both = runLinear(network.w12, x);
  const half = both.length / 2;
  const gated = Float64Array.from({ length: half }, (_, i) => {
    return both[i] / (1 + Math.exp(-both[i])) * both[half + i];
  });
  return runLinear(network.w3, gated);
}

function runLinear({ weight: { shape: [rows, columns], values }, bias }: Linear, x: Float64Array) {
  return Float64Array.from({ length: rows }, (_, row) => {
    let sum = bias === null ? 0 : bias.values[row];
    for (let column = 0; column < columns; column++) {
      sum += values[row * columns + column] * x[column];
    }
    return sum;
  });
}

/** The networks of a name; the layer is the number behind `layers` in the names of tensors. */
function networksOf(
  tensors: ReadonlyMap<string, Tensor>,
  { name, path }: { name: string; path: string },
): Networks {
  const parts = new Map<number | null, Map<string, Tensor>>();
  for (const [full, tensor] of tensors) {
    const words = full.split(".");
    if (words.some((word) => /^[kv]_compress_/.test(word))) {
      refuse(path, `${full} compresses keys and values apart; wanted one compressor for both`);
    }
    if (!words.includes(name)) continue;
    const layer = words.includes("layers") ? Number(words[words.indexOf("layers") + 1]) : null;
    const own = parts.get(layer) ?? new Map<string, Tensor>();
    parts.set(layer, own.set(words.slice(words.indexOf(name) + 1).join("."), tensor));
  }
  if (parts.size === 0) refuse(path, `it has no tensors of ${name}`);
  return new Map([...parts].map(([layer, own]) => {
    const where = `${name} of ${layer === null ? "all layers" : `layer ${layer}`}`;
    return [layer, networkOf(own, { where, path })];
  }));
}

function networkOf(
  tensors: ReadonlyMap<string, Tensor>,
  { where, path }: { where: string; path: string },
): Network {
  const linear = (prefix: string): Linear => {
    const weight = tensors.get(`${prefix}weight`);
    const bias = tensors.get(`${prefix}bias`) ?? null;
    if (weight === undefined) refuse(path, `${where} has no ${prefix}weight`);
    if (weight.shape.length !== 2 || (bias !== null && bias.values.length !== weight.shape[0])) {
      refuse(
        path,
        `${where} has a ${prefix}weight of shape ${weight.shape.join(", ")}, or a bias \
of another`,
      );
    }
    return { kind: "linear", weight, bias };
  };
  if (tensors.has("0.weight")) {
    refuse(path, `${where} is a GELU network; wanted a SwiGLU (w12, w3) or a linear one (weight)`);
  }
  if (!tensors.has("w12.weight")) return linear("");
  const [w12, w3] = [linear("w12."), linear("w3.")];
  if (w12.weight.shape[0] !== 2 * w3.weight.shape[1]) {
    refuse(
      path,
      `${where} has ${w12.weight.shape[0]} rows in w12, and ${w3.weight.shape[1]} \
columns in w3; wanted half as many`,
    );
  }
  return { kind: "swiglu", w12, w3 };
}

function checkSizes(
  networks: Networks,
  { path, name, from, to }: { path: string; name: string; from: number; to: number },
): void {
  for (const [layer, network] of networks) {
    const [first, last] = network.kind === "linear"
      ? [network, network]
      : [network.w12, network.w3];
    const [columns, rows] = [first.weight.shape[1], last.weight.shape[0]];
    if (columns === from && rows === to) continue;
    const where = layer === null ? "all layers" : `layer ${layer}`;
    refuse(
      path,
      `${name} of ${where} takes ${columns} numbers to ${rows}; wanted ${from} to ${to}`,
    );
  }
}

function outputSize(network: Network): number {
  return (network.kind === "linear" ? network : network.w3).weight.shape[0];
}

function refuse(path: string, why: string): never {
  throw new RangeError(`Cannot use compressors of ${path}: ${why}`);
}
