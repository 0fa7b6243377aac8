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
  LatentPlan,
  LayerInputPlan,
  MatrixPlan,
  ModelPlan,
} from "../../src/model/plan.ts";
import { inBestGroups } from "../../src/reference/expert_route.ts";
import { add, capped, gatedBy, gelu, temperatureAt, turnedHeads } from "./reference_math.ts";

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
  /** Latents `[layer][position]`: turned key, then what keys and values are made of. */
  #latents: Float64Array[][];

  constructor(file: GgufFile, plan: ModelPlan, options: Omit<ReferenceOptions, "first">) {
    const { isRead = () => true, kept = (value) => value, onAttention = () => {} } = options;
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
    this.#latents = plan.layers.map(() => []);
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
    if (plan.latent !== null) return this.#runLatentAttention(x, plan, { ...at, ...plan.latent });
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

  /** Keys and values of all heads are made of latents, not in absorbed form. */
  #runLatentAttention(
    x: Float64Array,
    plan: AttentionPlan,
    at: LatentPlan & { index: number; position: number; endsAtValues: boolean },
  ): void {
    const { index, position, rank, turnedSize, contentSize, valueSize, queryDown, down } = at;
    const { queryHeadCount } = plan.headShape;
    const turn = (part: Float64Array) =>
      this.#turn(
        part,
        { ...plan, headShape: { ...plan.headShape, headSize: turnedSize } },
        position,
      );
    const hidden = this.#norm(x, plan.normBefore);
    if (down !== null) {
      const made = this.#product([down.matrix], hidden);
      const turned = turn(made.slice(rank));
      const latent = [...turned, ...this.#norm(made.slice(0, rank), down.norm)];
      this.#latents[index].push(Float64Array.from(latent, this.#kept));
    }
    const latent = this.#latents[plan.keyValueLayer][position];
    const content = latent.slice(turnedSize);
    const keyUp = this.#tensor(at.keyUp.tensor);
    const key = new Float64Array(queryHeadCount * contentSize);
    for (let row = 0; row < queryHeadCount * rank; row++) {
      const head = Math.floor(row / rank);
      for (let i = 0; i < contentSize; i++) {
        key[head * contentSize + i] += content[row % rank] * keyUp[row * contentSize + i];
      }
    }
    this.#keys[index].push(key);
    const valueRows = { ...at.valueUp, rowCount: queryHeadCount * valueSize };
    this.#values[index].push(this.#product([valueRows], content));
    if (at.endsAtValues) return;
    const from = queryDown === null
      ? hidden
      : this.#norm(this.#product([queryDown.matrix], hidden), queryDown.norm);
    const contents = this.#product(at.contentQueries, from);
    const turned = turn(this.#product(at.turnedQueries, from));
    const attended = new Float64Array(queryHeadCount * valueSize);
    for (let head = 0; head < queryHeadCount; head++) {
      const scores = this.#keys[index].map((key, other) => {
        if (!this.#isRead(position, other)) return -Infinity;
        let sum = 0;
        for (let i = 0; i < contentSize; i++) {
          sum += contents[head * contentSize + i] * key[head * contentSize + i];
        }
        const shared = this.#latents[plan.keyValueLayer][other];
        for (let i = 0; i < turnedSize; i++) sum += turned[head * turnedSize + i] * shared[i];
        return sum * plan.scale;
      });
      const peak = scores.reduce((a, b) => Math.max(a, b));
      const weights = scores.map((score) => Math.exp(score - peak));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      this.#values[index].forEach((value, other) => {
        for (let i = head * valueSize; i < (head + 1) * valueSize; i++) {
          attended[i] += weights[other] / total * value[i];
        }
      });
    }
    this.#addGiven(x, this.#product([plan.output], attended), plan);
  }

  #runFeedForward(x: Float64Array, plan: FeedForwardPlan): void {
    const hidden = this.#norm(x, plan.normBefore);
    const gated = ({ gateUp, down }: Pick<FeedForwardPlan, "gateUp" | "down">) => {
      const [gate, up] = gateUp.map((matrix) => this.#product([matrix], hidden));
      return this.#product([down], gatedBy(gate, up, plan));
    };
    const given = plan.experts === null
      ? gated(plan)
      : this.#runExperts(hidden, plan, plan.experts);
    if (plan.shared !== null) add(given, gated(plan.shared));
    this.#addGiven(x, given, plan);
  }

  #runExperts(hidden: Float64Array, plan: FeedForwardPlan, experts: ExpertPlan): Float64Array {
    const { count, usedCount, router, routerBias, groups, biases, shareScale, shares } = experts;
    const isSigmoid = shares.startsWith("sigmoid");
    const logits = this.#product([router], hidden);
    const own = isSigmoid ? logits.map((logit) => 1 / (1 + Math.exp(-logit))) : logits;
    const scores = own.slice();
    if (routerBias !== null) add(scores, this.#tensor(routerBias));
    const order = Array.from({ length: count }, (_, expert) => expert)
      .sort((a, b) => scores[b] - scores[a] || a - b);
    const best = order.filter(inBestGroups(scores, groups)).slice(0, usedCount);
    const partOf = (expert: number) =>
      isSigmoid ? own[expert] : Math.exp(scores[expert] - scores[best[0]]);
    const parts = best.map(partOf);
    const summed = shares === "softmax of all" ? order : best;
    const total = shares === "sigmoid"
      ? 1
      : summed.reduce((sum, expert) => sum + partOf(expert), 0);
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
      const given = product(plan.down, gatedBy(gate, up, plan), biases?.down ?? null);
      add(sum, given.map((value) => shareScale * parts[rank] / total * value));
    }
    return sum;
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
    const seen = Array.from({ length: keys.length - begin }, (_, index) => begin + index);
    const read = seen.filter((other) => this.#isRead(position, other));
    const out = new Float64Array(q.length);
    for (let head = 0; head < queryHeadCount; head++) {
      const kvStart = Math.floor(head * kvHeadCount / queryHeadCount) * headSize;
      const scores = read.map((other) => {
        const key = keys[other];
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
      for (const [index, other] of read.entries()) {
        const [value, weight] = [values[other], weights[index] / total];
        for (let c = 0; c < headSize; c++) {
          out[head * headSize + c] += weight * value[kvStart + c];
        }
      }
    }
    return out;
  }

  #turn(heads: Float64Array, plan: AttentionPlan, position: number): Float64Array {
    const { rope, headShape: { headSize } } = plan;
    if (rope === null) return heads.slice();
    const factors = rope.factors === null ? null : this.#tensor(rope.factors);
    return turnedHeads(heads, { rope, headSize, factors, position });
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
    const y = new Float64Array(matrices.reduce((count, { rowCount }) => count + rowCount, 0));
    let index = 0;
    for (const { tensor, rowStart, rowCount } of matrices) {
      const weight = this.#tensor(tensor);
      for (let row = 0; row < rowCount; row++) {
        const start = (rowStart + row) * columnCount;
        let sum = 0;
        for (let i = 0; i < columnCount; i++) sum += weight[start + i] * x[i];
        y[index++] = sum;
      }
    }
    return y;
  }

  #tensor(name: string): Float32Array {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new Error(`Cannot run the reference: no tensor ${name}`);
    return tensor;
  }
}
