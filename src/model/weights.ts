/**
 * A model's weights on the device: quantised matrices as they are in the file, norms as f32.
 *
 * @module
 */

import type { ModelShape } from "../core/shapes.ts";
import { dequantise } from "../gguf/dequantise.ts";
import { ROPE_FACTORS_NAME } from "../gguf/model_shape.ts";
import { type GgufFile, type GgufTensor, readTensorBytes } from "../gguf/read_gguf.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { type DeviceWeights, uploadWeights as uploadPacked } from "../kernels/weight_layout.ts";
import { packWeights, type PackWeightsOptions } from "./weight_format.ts";

/** Weights of one layer. */
export interface LayerWeights {
  /** f32 `[width]`. */
  attentionNorm: GPUBuffer;
  /**
   * Query, key and value heads stacked: `[(queryHeadCount + 2 * kvHeadCount) * headSize, width]`.
   */
  heads: DeviceWeights;
  /** `[width, queryHeadCount * headSize]`. */
  attentionOutput: DeviceWeights;
  /** f32 `[width]`. */
  feedForwardNorm: GPUBuffer;
  /** Rows of gate and up in turn: `[2 * feedForwardWidth, width]`. */
  gateUp: DeviceWeights;
  /** `[width, feedForwardWidth]`. */
  down: DeviceWeights;
}

/** Weights of a model. */
export interface ModelWeights {
  /** `[vocabSize, width]`. */
  embedding: DeviceWeights;
  layers: readonly LayerWeights[];
  /** f32 `[width]`. */
  outputNorm: GPUBuffer;
  /** `[vocabSize, width]`; the embedding if they are tied. */
  head: DeviceWeights;
  /** f32 `[ropeDimension / 2]`, divisors of RoPE's frequencies, if the file has them. */
  ropeFactors: Float32Array | null;
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
    shape: ModelShape;
    onProgress: (message: string, fraction: number) => void;
  },
): Promise<ModelWeights> {
  const { file, shape, onProgress } = options;
  const startBytes = gpu.allocatedBytes;
  const loader = new TensorLoader(gpu, file);
  const embedding = loader.matrix(["token_embd.weight"]);
  const layers: LayerWeights[] = [];
  for (let index = 0; index < shape.layerCount; index++) {
    onProgress("loading weights", (index + 1) / (shape.layerCount + 1));
    layers.push(loader.layer(index));
    // Writes are copied by the queue; flushing bounds what it holds.
    gpu.device.queue.submit([]);
    await Promise.resolve();
  }
  const outputNorm = loader.vector("output_norm.weight");
  const head = shape.tiedOutput ? embedding : loader.matrix(["output.weight"]);
  const ropeFactors = file.tensors.has(ROPE_FACTORS_NAME) ? loader.values(ROPE_FACTORS_NAME) : null;
  gpu.device.queue.submit([]);
  onProgress("loading weights", 1);
  const sizeBytes = gpu.allocatedBytes - startBytes;
  return { embedding, layers, outputNorm, head, ropeFactors, sizeBytes };
}

class TensorLoader {
  #gpu: Gpu;
  #file: GgufFile;

  constructor(gpu: Gpu, file: GgufFile) {
    this.#gpu = gpu;
    this.#file = file;
  }

  layer(index: number): LayerWeights {
    const name = (part: string) => `blk.${index}.${part}.weight`;
    return {
      attentionNorm: this.vector(name("attn_norm")),
      heads: this.matrix([name("attn_q"), name("attn_k"), name("attn_v")]),
      attentionOutput: this.matrix([name("attn_output")]),
      feedForwardNorm: this.vector(name("ffn_norm")),
      gateUp: this.matrix([name("ffn_gate"), name("ffn_up")], "interleaved"),
      down: this.matrix([name("ffn_down")]),
    };
  }

  matrix(
    names: readonly string[],
    arrangement: NonNullable<PackWeightsOptions["arrangement"]> = "stacked",
  ): DeviceWeights {
    const tensors = names.map((name) => this.#tensor(name));
    const sources = tensors.map((tensor) => ({
      type: tensor.type,
      bytes: readTensorBytes(this.#file, tensor),
      rowCount: tensor.shape[1],
    }));
    const [columnCount] = tensors[0].shape;
    const { bindingSizeMax } = this.#gpu.facts;
    const packed = packWeights(sources, { columnCount, arrangement, bindingSizeMax });
    return uploadPacked(this.#gpu, names[0], packed);
  }

  vector(name: string): GPUBuffer {
    return this.#gpu.createBufferWith(name, this.values(name));
  }

  values(name: string): Float32Array<ArrayBuffer> {
    const tensor = this.#tensor(name);
    return dequantise(tensor.type, readTensorBytes(this.#file, tensor), tensor.shape[0]);
  }

  #tensor(name: string): GgufTensor {
    const tensor = this.#file.tensors.get(name);
    if (tensor === undefined) throw new TypeError(`Cannot load tensor ${name}: it was not checked`);
    return tensor;
  }
}
