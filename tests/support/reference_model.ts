/**
 * Forward pass of a model's plan in plain f64 loops: what logits must be.
 */

import { dequantise } from "../../src/gguf/dequantise.ts";
import { type GgufFile, readTensorBytes } from "../../src/gguf/read_gguf.ts";
import { readModelPlan } from "../../src/model/architectures/registry.ts";
import type {
  AttentionPlan,
  ExpertPlan,
  FeedForwardPlan,
  HeadNormPlan,
  LayerInputPlan,
  MatrixPlan,
  ModelPlan,
  RopePlan,
  TemperaturePlan,
} from "../../src/model/plan.ts";

/** What a reference is asked for beside all logits of an exact cache that is read whole. */
export interface ReferenceOptions {
  /** First position whose logits are wanted. */
  first?: number;
  isRead?: IsRead;
  /** What the cache keeps of each channel of a key or a value. */
  kept?: (value: number) => number;
  /** Called with the weights of the tokens that a head of a row reads. */
  onAttention?: OnAttention;
}

/**
 * Of a layer that makes its own keys; `weights` by position, with the query of the head and the
 * keys of all KV heads by position.
 */
export type OnAttention = (
  at: { layer: number; position: number; head: number },
  weights: readonly number[],
  of: { query: Float64Array; keys: readonly Float64Array[] },
) => void;

/** Whether the token at `position` reads the keys and values of the one at `other`. */
export type IsRead = (position: number, other: number) => boolean;

/** Logits f64 `[vocabSize]` of every position of `ids` from `first` on. */
export function referenceLogits(
  file: GgufFile,
  ids: readonly number[],
  options: ReferenceOptions = {},
): Float64Array[] {
  return planLogits(file, readModelPlan(file), ids, options);
}

/** What is behind the final norm, f64 `[width]`, at every position. */
export function referenceStates(file: GgufFile, ids: readonly number[]): Float64Array[] {
  return new ReferenceModel(file, readModelPlan(file), {}).states(ids, 0);
}

/** The same for a plan other than what the file's architecture says. */
export function planLogits(
  file: GgufFile,
  plan: ModelPlan,
  ids: readonly number[],
  { first = 0, ...options }: ReferenceOptions = {},
): Float64Array[] {
  return new ReferenceModel(file, plan, options).logits(ids, first);
}

/** The same behind the final norm, with what the cache keeps of each layer, by position. */
export function planStates(
  file: GgufFile,
  plan: ModelPlan,
  ids: readonly number[],
): { states: Float64Array[]; keys: Float64Array[][]; values: Float64Array[][] } {
  const model = new ReferenceModel(file, plan, {});
  return { states: model.states(ids, 0), ...model.kept() };
}

class ReferenceModel {
  #plan: ModelPlan;
  #isRead: IsRead;
  #onAttention: OnAttention;
  #kept: (value: number) => number;
  #tensors = new Map<string, Float32Array>();
  /** Keys and values `[layer][position]`, all KV heads in a row. */
  #keys: Float64Array[][];
  #values: Float64Array[][];

  constructor(
    file: GgufFile,
    plan: ModelPlan,
    { isRead = () => true, kept = (value) => value, onAttention = () => {} }: Omit<
      ReferenceOptions,
      "first"
    >,
  ) {
    this.#plan = plan;
    this.#isRead = isRead;
    this.#onAttention = onAttention;
    this.#kept = kept;
    for (const tensor of file.tensors.values()) {
      const count = tensor.shape.reduce((total, size) => total * size, 1);
      const values = dequantise(tensor.type, readTensorBytes(file, tensor), count);
      this.#tensors.set(tensor.name, values);
    }
    this.#keys = plan.layers.map(() => []);
    this.#values = plan.layers.map(() => []);
  }

  logits(ids: readonly number[], first: number): Float64Array[] {
    const { head } = this.#plan;
    return this.states(ids, first).map((state) => {
      const logits = this.#product([head.matrix], state);
      return logits.map((logit) => capped(logit * head.scale, head.softCap));
    });
  }

  states(ids: readonly number[], first: number): Float64Array[] {
    const { layers, head } = this.#plan;
    return ids.flatMap((id, position) => {
      const { x, inputs } = this.#embed(id);
      const isWanted = position >= first;
      for (const [index, { attention, feedForward, input, factor }] of layers.entries()) {
        // Of the last layer only keys and values matter to later positions.
        const endsAtValues = !isWanted && index === layers.length - 1;
        this.#runAttention(x, attention, { index, position, endsAtValues });
        if (endsAtValues) continue;
        this.#runFeedForward(x, feedForward);
        if (input !== null) this.#addInput(x, input, inputs[index]);
        if (factor !== null) x.forEach((value, i) => x[i] = value * this.#tensor(factor)[0]);
      }
      return isWanted ? [this.#norm(x, head.norm)] : [];
    });
  }

  kept(): { keys: Float64Array[][]; values: Float64Array[][] } {
    return { keys: this.#keys, values: this.#values };
  }

  /** The residual stream a token begins with, and its inputs by layer. */
  #embed(id: number): { x: Float64Array; inputs: Float64Array[] } {
    const { shape: { width, layerCount }, embedding, layerInputs } = this.#plan;
    const rowOf = (name: string, columnCount: number) =>
      this.#tensor(name).subarray(id * columnCount, (id + 1) * columnCount);
    const row = rowOf(embedding.matrix.tensor, width);
    const x = Float64Array.from(row, (value) => value * embedding.scale);
    if (layerInputs === null) return { x, inputs: [] };
    const { inputWidth, table, projection, norm } = layerInputs;
    const own = rowOf(table.tensor, layerCount * inputWidth);
    const projected = this.#product([projection], x).map((value) => value / Math.sqrt(width));
    const inputs = Array.from({ length: layerCount }, (_, layer) => {
      const start = layer * inputWidth;
      const normed = this.#norm(projected.slice(start, start + inputWidth), norm);
      return normed.map((value, i) =>
        (value + own[start + i] * Math.sqrt(inputWidth)) / Math.SQRT2
      );
    });
    return { x, inputs };
  }

  #addInput(x: Float64Array, plan: LayerInputPlan, input: Float64Array): void {
    const gated = this.#product([plan.gate], x).map((value, i) => gelu(value) * input[i]);
    add(x, this.#norm(this.#product([plan.output], gated), plan.normAfter));
  }

  #runAttention(
    x: Float64Array,
    plan: AttentionPlan,
    at: { index: number; position: number; endsAtValues: boolean },
  ): void {
    const { index, position } = at;
    const { queryHeadCount, kvHeadCount, headSize } = plan.headShape;
    const queryWidth = queryHeadCount * headSize;
    const kvWidth = kvHeadCount * headSize;
    const heads = this.#product(plan.heads, this.#norm(x, plan.normBefore));
    if (plan.biases !== null) add(heads, plan.biases.flatMap((name) => [...this.#tensor(name)]));
    const q = this.#headNorm(heads.slice(0, queryWidth), plan.queryNorm, headSize);
    const k = this.#headNorm(heads.slice(queryWidth, queryWidth + kvWidth), plan.keyNorm, headSize);
    const v = heads.slice(queryWidth + kvWidth);
    const normed = plan.normsValues
      ? this.#headNorm(v, { tensor: null, over: "head" }, headSize)
      : v;
    this.#keys[index].push(this.#turn(k, plan, position).map(this.#kept));
    this.#values[index].push(normed.map(this.#kept));
    if (at.endsAtValues) return;
    const growth = temperatureAt(plan.temperature, position);
    const query = this.#turn(q, plan, position).map((value) => value * growth);
    const attended = this.#attend(query, plan);
    const given = this.#product([plan.output], attended);
    if (plan.outputBias !== null) add(given, this.#tensor(plan.outputBias));
    this.#addGiven(x, given, plan);
  }

  #runFeedForward(x: Float64Array, plan: FeedForwardPlan): void {
    const hidden = this.#norm(x, plan.normBefore);
    if (plan.experts !== null) {
      this.#addGiven(x, this.#runExperts(hidden, plan, plan.experts), plan);
      return;
    }
    const [gate, up] = plan.gateUp.map((matrix) => this.#product([matrix], hidden));
    this.#addGiven(x, this.#product([plan.down], this.#gated(gate, up, plan)), plan);
  }

  #runExperts(hidden: Float64Array, plan: FeedForwardPlan, experts: ExpertPlan): Float64Array {
    const { count, usedCount, router, routerBias, biases, shareScale } = experts;
    const scores = this.#product([router], hidden);
    if (routerBias !== null) add(scores, this.#tensor(routerBias));
    const best = Array.from({ length: count }, (_, expert) => expert)
      .sort((a, b) => scores[b] - scores[a] || a - b).slice(0, usedCount);
    const parts = best.map((expert) => Math.exp(scores[expert] - scores[best[0]]));
    const total = parts.reduce((sum, part) => sum + part, 0);
    const sum = new Float64Array(plan.down.rowCount);
    for (const [rank, expert] of best.entries()) {
      const product = (matrix: MatrixPlan, x: Float64Array, bias: string | null) => {
        const rowStart = matrix.rowStart + expert * matrix.rowCount;
        const y = this.#product([{ ...matrix, rowStart }], x);
        const end = (expert + 1) * y.length;
        if (bias !== null) add(y, this.#tensor(bias).subarray(end - y.length, end));
        return y;
      };
      const gate = product(plan.gateUp[0], hidden, biases?.gate ?? null);
      const up = product(plan.gateUp[1], hidden, biases?.up ?? null);
      const given = product(plan.down, this.#gated(gate, up, plan), biases?.down ?? null);
      add(sum, given.map((value) => shareScale * parts[rank] / total * value));
    }
    return sum;
  }

  #gated(gate: Float64Array, up: Float64Array, { activation }: FeedForwardPlan): Float64Array {
    if (activation === "clamped") {
      return gate.map((value, i) => {
        const kept = Math.min(value, 7);
        return kept / (1 + Math.exp(-1.702 * kept)) * (Math.min(Math.max(up[i], -7), 7) + 1);
      });
    }
    const activate = activation === "silu" ? silu : gelu;
    return gate.map((value, i) => activate(value) * up[i]);
  }

  #addGiven(
    x: Float64Array,
    given: Float64Array,
    plan: { normAfter: string | null; outputScale: number },
  ): void {
    add(x, this.#norm(given, plan.normAfter).map((value) => value * plan.outputScale));
  }

  #attend(q: Float64Array, plan: AttentionPlan): Float64Array {
    const { queryHeadCount, kvHeadCount, headSize } = plan.headShape;
    const keys = this.#keys[plan.keyValueLayer];
    const values = this.#values[plan.keyValueLayer];
    const begin = Math.max(0, keys.length - (plan.window ?? keys.length));
    const position = keys.length - 1;
    const read = keys.map((_, other) => other >= begin && this.#isRead(position, other));
    const out = new Float64Array(q.length);
    for (let head = 0; head < queryHeadCount; head++) {
      const kvStart = Math.floor(head * kvHeadCount / queryHeadCount) * headSize;
      const scores = keys.filter((_, other) => read[other]).map((key) => {
        let sum = 0;
        for (let c = 0; c < headSize; c++) sum += q[head * headSize + c] * key[kvStart + c];
        return capped(sum * plan.scale, plan.softCap);
      });
      const sink = plan.sinks === null ? -Infinity : this.#tensor(plan.sinks)[head];
      const peak = scores.reduce((a, b) => Math.max(a, b), sink);
      const weights = scores.map((score) => Math.exp(score - peak));
      const total = weights.reduce((sum, weight) => sum + weight, Math.exp(sink - peak));
      const at = { layer: plan.keyValueLayer, position, head };
      const query = q.subarray(head * headSize, (head + 1) * headSize);
      this.#onAttention(at, weights.map((weight) => weight / total), { query, keys });
      values.filter((_, other) => read[other]).forEach((value, index) => {
        for (let c = 0; c < headSize; c++) {
          out[head * headSize + c] += weights[index] / total * value[kvStart + c];
        }
      });
    }
    return out;
  }

  #turn(
    heads: Float64Array,
    { rope, headShape: { headSize } }: AttentionPlan,
    position: number,
  ): Float64Array {
    const turned = heads.slice();
    if (rope === null) return turned;
    const factors = rope.factors === null ? null : this.#tensor(rope.factors);
    for (let start = 0; start < heads.length; start += headSize) {
      for (let pair = 0; 2 * pair < rope.dimension; pair++) {
        const angle = position * frequencyOf(rope, pair) / (factors?.[pair] ?? 1);
        const cos = rope.magnitude * Math.cos(angle);
        const sin = rope.magnitude * Math.sin(angle);
        const areNeighbours = rope.pairing === "neighbours";
        const first = start + (areNeighbours ? 2 * pair : pair);
        const second = first + (areNeighbours ? 1 : rope.dimension / 2);
        const [a, b] = [heads[first], heads[second]];
        turned[first] = a * cos - b * sin;
        turned[second] = a * sin + b * cos;
      }
    }
    return turned;
  }

  #headNorm(
    heads: Float64Array,
    plan: { tensor: string | null; over: HeadNormPlan["over"] } | null,
    headSize: number,
  ): Float64Array {
    if (plan === null) return heads;
    const size = plan.over === "row" ? heads.length : headSize;
    const normed = new Float64Array(heads.length);
    for (let start = 0; start < heads.length; start += size) {
      normed.set(this.#rmsNorm(heads.slice(start, start + size), plan.tensor), start);
    }
    return normed;
  }

  #norm(x: Float64Array, name: string | null): Float64Array {
    return name === null ? x : this.#rmsNorm(x, name);
  }

  /** @param name Of the weights; all are 1 if it is null. */
  #rmsNorm(x: Float64Array, name: string | null): Float64Array {
    const weight = name === null ? null : this.#tensor(name);
    const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
    const factor = 1 / Math.sqrt(meanSquare + this.#plan.normEpsilon);
    return x.map((value, i) => value * factor * (weight?.[i] ?? 1));
  }

  /** `matrix · x` of matrices one below the other. */
  #product(matrices: readonly MatrixPlan[], x: Float64Array): Float64Array {
    const columnCount = x.length;
    return Float64Array.from(matrices.flatMap(({ tensor, rowStart, rowCount }) => {
      const weight = this.#tensor(tensor);
      return Array.from({ length: rowCount }, (_, row) => {
        const start = (rowStart + row) * columnCount;
        let sum = 0;
        for (let i = 0; i < columnCount; i++) sum += weight[start + i] * x[i];
        return sum;
      });
    }));
  }

  #tensor(name: string): Float32Array {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new Error(`Cannot run the reference: no tensor ${name}`);
    return tensor;
  }
}

/** Radians per position of a pair. YaRN is arXiv:2309.00071, section 3.2. */
function frequencyOf({ base, dimension, positionScale, yarn }: RopePlan, pair: number): number {
  const own = base ** (-2 * pair / dimension);
  if (yarn === null) return own / positionScale;
  /** The pair that turns `count` times in the original context. */
  const pairOf = (count: number) =>
    Math.log(yarn.originalContextLength / (2 * Math.PI * count)) / Math.log(base) * dimension / 2;
  const first = Math.max(Math.floor(pairOf(yarn.betaFast)), 0);
  const last = Math.min(Math.ceil(pairOf(yarn.betaSlow)), dimension - 1);
  const scaled = Math.min(Math.max((pair - first) / Math.max(last - first, 0.001), 0), 1);
  return own * (1 - scaled) + own / positionScale * scaled;
}

function temperatureAt(plan: TemperaturePlan | null, position: number): number {
  return plan === null ? 1 : 1 + plan.factor * Math.log(1 + Math.floor(position / plan.length));
}

function add(x: Float64Array, y: ArrayLike<number>): void {
  for (let i = 0; i < x.length; i++) x[i] += y[i];
}

function capped(value: number, cap: number | null): number {
  return cap === null ? value : cap * Math.tanh(value / cap);
}

function silu(value: number): number {
  return value / (1 + Math.exp(-value));
}

/** The approximation by tanh, as models use it. Hendrycks & Gimpel 2016, arXiv:1606.08415. */
function gelu(value: number): number {
  const inner = Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3);
  return value / 2 * (1 + Math.tanh(inner));
}
