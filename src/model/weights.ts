/**
 * A model's weights on the device: quantised matrices as they are in the file, norms as f32.
 *
 * @module
 */

import type { GgufFile } from "../gguf/read_gguf.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { DeviceExpertWeights } from "../kernels/expert_layout.ts";
import { commonFormat } from "../kernels/weight_formats.ts";
import { type DeviceWeights, uploadWeights as uploadPacked } from "../kernels/weight_layout.ts";
import { hasPlainHeads, headFinish, headRowOrder } from "./head_rows.ts";
import { uploadExperts } from "./expert_weights.ts";
import type {
  AttentionPlan,
  ExpertPlan,
  FeedForwardPlan,
  LatentPlan,
  LayerPlan,
  MatrixPlan,
  ModelPlan,
} from "./plan.ts";
import { streamWeights } from "./stream_weights.ts";
import { matrixSource, rowSource, tensorOf, tensorValues } from "./tensor_source.ts";
import { packWeights } from "./weight_format.ts";

/** Weights of one layer. */
export interface LayerWeights {
  /** f32 `[width]`; null if attention takes the residual stream as it is. */
  attentionNorm: GPUBuffer | null;
  /**
   * Query, key and value heads stacked: `[(queryHeadCount + 2 * kvHeadCount) * headSize, width]`;
   * query heads alone of a layer that reads the keys and values of another; null of latents.
   */
  heads: DeviceWeights | null;
  /** What makes latents and reads them; null if keys and values are kept. */
  latent: LatentWeights | null;
  /** What finishes the heads, by the same names as {@link HeadFinish}; null if they are plain. */
  headFinish: { shifts: GPUBuffer; gains: GPUBuffer } | null;
  /** `[width, queryHeadCount * headSize]`. */
  attentionOutput: DeviceWeights;
  /** f32 `[width]`, added to what the output gives; null for none. */
  attentionOutputBias: GPUBuffer | null;
  /** f32 `[queryHeadCount]`; null for none. */
  attentionSinks: GPUBuffer | null;
  /** f32 `[width]`, times the factor of what is added; null if it is not normed. */
  attentionNormAfter: GPUBuffer | null;
  /** f32 `[width]`; null if the feed-forward part takes the residual stream as it is. */
  feedForwardNorm: GPUBuffer | null;
  /** Of a gated product; null if experts are in its place. */
  gated: GatedWeights | null;
  experts: ExpertWeights | null;
  /** Of a gated product beside experts; null for none. */
  shared: GatedWeights | null;
  /** f32 `[width]`, times the factor of what is added; null if it is not normed. */
  feedForwardNormAfter: GPUBuffer | null;
  /** What the layer does with its own input; null for none. */
  input: LayerInputWeights | null;
  /** f32 `[1]`: factor of the residual stream behind the layer; null for none. */
  factor: GPUBuffer | null;
}

/** What makes latents, and reads them. */
export interface LatentWeights {
  /** `[queryRank, width]`; null if queries are made of the layer's input. */
  queryDown: DeviceWeights | null;
  /** f32 `[queryRank]`; null with it. */
  queryNorm: GPUBuffer | null;
  /** `[queryHeadCount * contentSize, queryRank or width]`. */
  contentQueries: DeviceWeights;
  /** `[queryHeadCount * turnedSize, queryRank or width]`. */
  turnedQueries: DeviceWeights;
  /** `[rank + turnedSize, width]`; null of a layer that reads the latents of another. */
  down: DeviceWeights | null;
  /** f32 `[rank]`; null with it. */
  norm: GPUBuffer | null;
  /** Of each query head `[rank, contentSize]`. */
  keyUp: DeviceExpertWeights;
  /** Of each query head `[valueSize, rank]`. */
  valueUp: DeviceExpertWeights;
}

/** What a layer does with its own input. */
export interface LayerInputWeights {
  /** `[inputWidth, width]`. */
  gate: DeviceWeights;
  /** `[width, inputWidth]`. */
  output: DeviceWeights;
  /** f32 `[width]`. */
  normAfter: GPUBuffer;
}

/** Inputs of all layers. */
export interface LayerInputsWeights {
  /** `[vocabSize, layerCount * inputWidth]`. */
  table: DeviceWeights;
  /** `[layerCount * inputWidth, width]`. */
  projection: DeviceWeights;
  /** f32 `[inputWidth]`, divided by the square root of 2. */
  norm: GPUBuffer;
}

/**
 * Gate and up: rows in turn, as one weight, or each by itself where their formats differ, so that
 * both keep the bytes that they have in the file.
 */
export type GateUp<Weights> = { pairs: Weights } | { gate: Weights; up: Weights };

/** Weights of a gated product. */
export interface GatedWeights {
  /** `[2 * feedForwardWidth, width]`, or twice `[feedForwardWidth, width]`. */
  gateUp: GateUp<DeviceWeights>;
  /** `[width, feedForwardWidth]`. */
  down: DeviceWeights;
}

/** Weights of experts in its place. */
export interface ExpertWeights {
  /** `[count, width]`. */
  router: DeviceWeights;
  /** f32 `[count]`. */
  routerBiases: GPUBuffer;
  /** Of each expert `[2 * rows, width]`, or twice `[rows, width]`. */
  gateUp: GateUp<DeviceExpertWeights>;
  /** The same of f32 `[count, 2 * rows]`, or twice `[count, rows]`. */
  gateUpBiases: GateUp<GPUBuffer> | null;
  /** Of each expert `[width, rows]`. */
  down: DeviceExpertWeights;
  /** f32 `[count, width]`. */
  downBiases: GPUBuffer | null;
}

/** Weights of a model. */
export interface ModelWeights {
  /** `[vocabSize, width]`. */
  embedding: DeviceWeights;
  /** Null if no layer has an input of its own. */
  layerInputs: LayerInputsWeights | null;
  layers: readonly LayerWeights[];
  /** f32 `[width]`, times the scale of logits. */
  outputNorm: GPUBuffer;
  /** `[vocabSize, width]`; the embedding if they are tied. */
  head: DeviceWeights;
  /** f32 `[dimension / 2]`, divisors of RoPE's frequencies, by tensor. */
  ropeFactors: ReadonlyMap<string, Float32Array>;
  /** Device bytes of all of it. */
  sizeBytes: number;
}

/** Device bytes the weights of a file will take, about: as in the file. */
export function weightSizeBytes(file: GgufFile): number {
  return [...file.tensors.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

/** Reads all tensors and copies them to the device, layer by layer. */
export async function uploadWeights(
  gpu: Gpu,
  options: {
    file: GgufFile;
    plan: ModelPlan;
    onProgress: (message: string, fraction: number) => void;
  },
): Promise<ModelWeights> {
  const { file, plan, onProgress } = options;
  const startBytes = gpu.allocatedBytes;
  const wantedBytes = weightSizeBytes(file);
  const report = () => {
    onProgress("loading weights", Math.min(1, (gpu.allocatedBytes - startBytes) / wantedBytes));
  };
  const loader = new TensorLoader(gpu, file);
  const embedding = loader.matrix([plan.embedding.matrix]);
  const layerInputs = loader.layerInputs(plan);
  const layers: LayerWeights[] = [];
  for (const layer of plan.layers) {
    report();
    layers.push(loader.layer(layer));
    // Writes are copied by the queue; flushing bounds what it holds.
    gpu.device.queue.submit([]);
    await Promise.resolve();
  }
  const outputNorm = loader.vector(plan.head.norm, plan.head.scale);
  const isTied = plan.head.matrix.tensor === plan.embedding.matrix.tensor;
  const head = isTied ? embedding : loader.matrix([plan.head.matrix]);
  const ropeFactors = loader.ropeFactors(plan);
  gpu.device.queue.submit([]);
  onProgress("loading weights", 1);
  const sizeBytes = gpu.allocatedBytes - startBytes;
  return { embedding, layerInputs, layers, outputNorm, head, ropeFactors, sizeBytes };
}

class TensorLoader {
  #gpu: Gpu;
  #file: GgufFile;

  constructor(gpu: Gpu, file: GgufFile) {
    this.#gpu = gpu;
    this.#file = file;
  }

  layer({ attention, feedForward, input, factor }: LayerPlan): LayerWeights {
    return {
      attentionNorm: this.#vectorIfAny(attention.normBefore),
      heads: attention.latent === null ? this.#heads(attention) : null,
      latent: attention.latent && this.#latent(attention, attention.latent),
      headFinish: this.#headFinish(attention),
      attentionOutput: this.matrix([attention.output]),
      attentionOutputBias: this.#vectorIfAny(attention.outputBias),
      attentionSinks: this.#vectorIfAny(attention.sinks),
      attentionNormAfter: this.#vectorIfAny(attention.normAfter, attention.outputScale),
      feedForwardNorm: this.#vectorIfAny(feedForward.normBefore),
      gated: feedForward.experts === null ? this.#gated(feedForward) : null,
      experts: feedForward.experts === null
        ? null
        : this.#experts(feedForward.experts, feedForward),
      shared: feedForward.shared && this.#gated(feedForward.shared),
      feedForwardNormAfter: this.#vectorIfAny(feedForward.normAfter, feedForward.outputScale),
      input: input && {
        gate: this.matrix([input.gate]),
        output: this.matrix([input.output]),
        normAfter: this.vector(input.normAfter),
      },
      factor: this.#vectorIfAny(factor),
    };
  }

  layerInputs({ layerInputs: inputs }: ModelPlan): LayerInputsWeights | null {
    return inputs && {
      table: this.matrix([inputs.table]),
      projection: this.matrix([inputs.projection]),
      norm: this.vector(inputs.norm, Math.SQRT1_2),
    };
  }

  /** One matrix, or rows of several in turn. */
  matrix(plans: readonly MatrixPlan[]): DeviceWeights {
    const [{ tensor: label }] = plans;
    const [columnCount] = tensorOf(this.#file, label).shape;
    const sources = plans.map((plan) => rowSource(this.#file, plan));
    return streamWeights(this.#gpu, { label, columnCount, sources });
  }

  #gated({ gateUp, down }: Pick<FeedForwardPlan, "gateUp" | "down">): GatedWeights {
    return {
      gateUp: this.#gateUp(gateUp, (plans) => this.matrix(plans)),
      down: this.matrix([down]),
    };
  }

  #gateUp<Weights>(
    [gate, up]: FeedForwardPlan["gateUp"],
    load: (plans: readonly MatrixPlan[]) => Weights,
  ): GateUp<Weights> {
    const formatOf = ({ tensor }: MatrixPlan) => commonFormat([tensorOf(this.#file, tensor).type]);
    return formatOf(gate) === formatOf(up)
      ? { pairs: load([gate, up]) }
      : { gate: load([gate]), up: load([up]) };
  }

  #experts(
    { count, router, routerBias, biases }: ExpertPlan,
    { gateUp, down }: FeedForwardPlan,
  ): ExpertWeights {
    const values = (name: string) => tensorValues(this.#file, name);
    const upload = (name: string, data: Float32Array) => this.#gpu.createBufferWith(name, data);
    const experts = this.#gateUp(
      gateUp,
      (plans) => this.#expertMatrices(count, plans, "interleaved"),
    );
    return {
      router: this.matrix([router]),
      routerBiases: upload(
        "router biases",
        routerBias === null ? new Float32Array(count) : values(routerBias),
      ),
      gateUp: experts,
      gateUpBiases: biases && ("pairs" in experts
        ? {
          pairs: upload("gate and up biases", interleaved(values(biases.gate), values(biases.up))),
        }
        : {
          gate: upload("gate biases", values(biases.gate)),
          up: upload("up biases", values(biases.up)),
        }),
      down: this.#expertMatrices(count, [down], "stacked"),
      downBiases: biases && upload("down biases", values(biases.down)),
    };
  }

  #expertMatrices(
    expertCount: number,
    plans: readonly MatrixPlan[],
    arrangement: "stacked" | "interleaved",
  ): DeviceExpertWeights {
    const [{ tensor: label }] = plans;
    const [columnCount] = tensorOf(this.#file, label).shape;
    const sourcesOf = (expert: number) =>
      plans.map((plan) => matrixSource(this.#file, plan, expert));
    return uploadExperts(this.#gpu, { label, expertCount, columnCount, arrangement, sourcesOf });
  }

  #heads({ heads, rope, headShape }: AttentionPlan): DeviceWeights {
    const order = headRowOrder(rope, headShape.headSize);
    // Values are not turned, so they stay in order.
    return this.#stacked(heads, (index) => index < 2 ? order : null);
  }

  #latent({ headShape }: AttentionPlan, plan: LatentPlan): LatentWeights {
    const { queryDown, down, keyUp, valueUp } = plan;
    const ofHeads = (matrix: MatrixPlan) =>
      this.#expertMatrices(headShape.queryHeadCount, [matrix], "stacked");
    return {
      queryDown: queryDown && this.matrix([queryDown.matrix]),
      queryNorm: this.#vectorIfAny(queryDown && queryDown.norm),
      contentQueries: this.#stacked(plan.contentQueries),
      turnedQueries: this.#stacked(plan.turnedQueries),
      down: down && this.matrix([down.matrix]),
      norm: this.#vectorIfAny(down && down.norm),
      keyUp: ofHeads(keyUp),
      valueUp: ofHeads(valueUp),
    };
  }

  /** Rows of matrices, one below the other, each matrix's in an order of its own or as they are. */
  #stacked(
    plans: readonly MatrixPlan[],
    rowOrderOf: (index: number) => ReturnType<typeof headRowOrder> = () => null,
  ): DeviceWeights {
    const sources = plans.map((plan, index) => {
      return { ...matrixSource(this.#file, plan), rowOrder: rowOrderOf(index) };
    });
    const [{ tensor: label }] = plans;
    const [columnCount] = tensorOf(this.#file, label).shape;
    const { bindingSizeMax } = this.#gpu.facts;
    return uploadPacked(this.#gpu, label, packWeights(sources, { columnCount, bindingSizeMax }));
  }

  #headFinish(plan: AttentionPlan): LayerWeights["headFinish"] {
    if (plan.latent !== null || hasPlainHeads(plan)) return null;
    const { shifts, gains } = headFinish(plan, (name) => this.values(name));
    return {
      shifts: this.#gpu.createBufferWith("head shifts", shifts),
      gains: this.#gpu.createBufferWith("head gains", gains),
    };
  }

  #vectorIfAny(name: string | null, scale = 1): GPUBuffer | null {
    return name === null ? null : this.vector(name, scale);
  }

  vector(name: string, scale = 1): GPUBuffer {
    return this.#gpu.createBufferWith(name, this.values(name).map((value) => value * scale));
  }

  values(name: string): Float32Array<ArrayBuffer> {
    return tensorValues(this.#file, name);
  }

  ropeFactors({ layers }: ModelPlan): Map<string, Float32Array> {
    const names = layers.map(({ attention }) => attention.rope?.factors ?? null);
    const distinct = new Set(names.filter((name) => name !== null));
    return new Map([...distinct].map((name) => [name, this.values(name)]));
  }
}

function interleaved(gate: Float32Array, up: Float32Array): Float32Array {
  return Float32Array.from(
    { length: 2 * gate.length },
    (_, i) => (i % 2 === 0 ? gate : up)[i >> 1],
  );
}
