/**
 * A llama-architecture forward pass in plain f64 loops, with an exact cache: what logits must be.
 */

import type { ModelShape } from "../../src/core/shapes.ts";
import { dequantise } from "../../src/gguf/dequantise.ts";
import { readModelShape, ROPE_FACTORS_NAME } from "../../src/gguf/model_shape.ts";
import { type GgufFile, readTensorBytes } from "../../src/gguf/read_gguf.ts";

/** `weight · x`; weight f32 `[rows, x.length]`, row-major. */
function product(weight: Float32Array, x: ArrayLike<number>): Float64Array {
  const rowCount = weight.length / x.length;
  return Float64Array.from({ length: rowCount }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += weight[row * x.length + i] * x[i];
    return sum;
  });
}

/** Logits f64 `[vocabSize]` of every position of `ids` from `first` on. */
export function referenceLogits(
  file: GgufFile,
  ids: readonly number[],
  first = 0,
): Float64Array[] {
  return new ReferenceModel(file).logits(ids, first);
}

class ReferenceModel {
  #shape: ModelShape;
  #tensors = new Map<string, Float32Array>();
  /** Keys and values `[layer][position]`, all KV heads in a row. */
  #keys: Float64Array[][];
  #values: Float64Array[][];

  constructor(file: GgufFile) {
    this.#shape = readModelShape(file);
    for (const tensor of file.tensors.values()) {
      const count = tensor.shape.reduce((total, size) => total * size, 1);
      const values = dequantise(tensor.type, readTensorBytes(file, tensor), count);
      this.#tensors.set(tensor.name, values);
    }
    const { layerCount } = this.#shape;
    this.#keys = Array.from({ length: layerCount }, () => []);
    this.#values = Array.from({ length: layerCount }, () => []);
  }

  logits(ids: readonly number[], first: number): Float64Array[] {
    const { width, layerCount } = this.#shape;
    const embedding = this.#tensor("token_embd.weight");
    const head = this.#tensors.get("output.weight") ?? embedding;
    return ids.flatMap((id, position) => {
      const x = Float64Array.from(embedding.subarray(id * width, (id + 1) * width));
      const isWanted = position >= first;
      for (let layer = 0; layer < layerCount; layer++) {
        // Of the last layer only keys and values matter to later positions.
        this.#runLayer(x, { layer, position, endsAtValues: !isWanted && layer === layerCount - 1 });
      }
      return isWanted ? [product(head, this.#norm(x, "output_norm.weight"))] : [];
    });
  }

  #runLayer(
    x: Float64Array,
    at: { layer: number; position: number; endsAtValues: boolean },
  ): void {
    const { layer, position, endsAtValues } = at;
    const name = (part: string) => `blk.${layer}.${part}.weight`;
    const normed = this.#norm(x, name("attn_norm"));
    this.#keys[layer].push(this.#turn(product(this.#tensor(name("attn_k")), normed), position));
    this.#values[layer].push(product(this.#tensor(name("attn_v")), normed));
    if (endsAtValues) return;
    const q = this.#turn(product(this.#tensor(name("attn_q")), normed), position);
    add(x, product(this.#tensor(name("attn_output")), this.#attend(q, layer)));
    const hidden = this.#norm(x, name("ffn_norm"));
    const gate = product(this.#tensor(name("ffn_gate")), hidden);
    const up = product(this.#tensor(name("ffn_up")), hidden);
    const activated = gate.map((value, i) => value / (1 + Math.exp(-value)) * up[i]);
    add(x, product(this.#tensor(name("ffn_down")), activated));
  }

  #attend(q: Float64Array, layer: number): Float64Array {
    const { queryHeadCount, kvHeadCount, headSize } = this.#shape;
    const out = new Float64Array(q.length);
    for (let head = 0; head < queryHeadCount; head++) {
      const kvStart = Math.floor(head * kvHeadCount / queryHeadCount) * headSize;
      const scores = this.#keys[layer].map((key) => {
        let sum = 0;
        for (let c = 0; c < headSize; c++) sum += q[head * headSize + c] * key[kvStart + c];
        return sum / Math.sqrt(headSize);
      });
      const peak = scores.reduce((a, b) => Math.max(a, b));
      const weights = scores.map((score) => Math.exp(score - peak));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      this.#values[layer].forEach((value, position) => {
        for (let c = 0; c < headSize; c++) {
          out[head * headSize + c] += weights[position] / total * value[kvStart + c];
        }
      });
    }
    return out;
  }

  /** RoPE on neighbouring channels of every head. */
  #turn(heads: Float64Array, position: number): Float64Array {
    const { headSize, ropeDimension, ropeBase, ropeScale } = this.#shape;
    const factors = this.#tensors.get(ROPE_FACTORS_NAME);
    const turned = heads.slice();
    for (let start = 0; start < heads.length; start += headSize) {
      for (let pair = 0; 2 * pair < ropeDimension; pair++) {
        const frequency = ropeBase ** (-2 * pair / ropeDimension) / (factors?.[pair] ?? 1);
        const angle = position / ropeScale * frequency;
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
        const [a, b] = [heads[start + 2 * pair], heads[start + 2 * pair + 1]];
        turned[start + 2 * pair] = a * cos - b * sin;
        turned[start + 2 * pair + 1] = a * sin + b * cos;
      }
    }
    return turned;
  }

  #norm(x: Float64Array, name: string): Float64Array {
    const weight = this.#tensor(name);
    const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
    const factor = 1 / Math.sqrt(meanSquare + this.#shape.normEpsilon);
    return x.map((value, i) => value * factor * weight[i]);
  }

  #tensor(name: string): Float32Array {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new Error(`Cannot run the reference: no tensor ${name}`);
    return tensor;
  }
}

function add(x: Float64Array, y: Float64Array): void {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
}
