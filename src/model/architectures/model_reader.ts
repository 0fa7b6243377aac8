/**
 * What an architecture reads a GGUF header through: keys under the architecture's name, tensors
 * that are checked as they are named, and a refusal of tensors that no plan names.
 *
 * @module
 */

import { EngineError } from "../../core/errors.ts";
import type { GgufMetadata } from "../../gguf/metadata.ts";
import { withoutTrailingOnes } from "../../gguf/read_gguf.ts";
import type { MatrixPlan } from "../plan.ts";

/** The tensors of a file by name, with their sizes, columns first. */
export interface TensorCatalogue {
  /** Sizes of tensor `name`, of which `wanted` are expected; null if it is not there. */
  shapeOf(name: string, wanted: readonly number[]): readonly number[] | null;
  /** Names of all tensors. */
  names(): Iterable<string>;
}

/**
 * Keys that change what a model computes: the value that changes nothing, and what others mean. A
 * file that has another value and an architecture that does not read it cannot go together.
 */
const MEANINGS: Readonly<Record<string, { neutral: number; meaning: string }>> = {
  "attention.scale": { neutral: 0, meaning: "scales scores" },
  "attention.clamp_kqv": { neutral: 0, meaning: "clamps query, key and value" },
  "attention.max_alibi_bias": { neutral: 0, meaning: "biases scores by distance" },
  "attention.temperature_scale": { neutral: 0, meaning: "scales scores by position" },
  "attn_logit_softcapping": { neutral: 0, meaning: "caps scores" },
  "final_logit_softcapping": { neutral: 0, meaning: "caps logits" },
  "expert_group_count": { neutral: 0, meaning: "chooses experts by groups" },
  "expert_shared_count": { neutral: 0, meaning: "has experts for all tokens" },
  "embedding_scale": { neutral: 1, meaning: "scales the embedding" },
  "residual_scale": { neutral: 1, meaning: "scales what layers add" },
  "rope.scaling.yarn_log_multiplier": { neutral: 0, meaning: "scales scores by its RoPE factor" },
  "rope.scaling.yarn_ext_factor": { neutral: -1, meaning: "mixes RoPE frequencies otherwise" },
  "rope.scaling.yarn_attn_factor": { neutral: 1, meaning: "scales scores by its RoPE factor" },
  "logit_scale": { neutral: 1, meaning: "scales logits" },
};

/** What a tensor of experts has of each. */
export interface ExpertTensorSizes {
  rowCount: number;
  expertCount: number;
}

/** The header of one file, as an architecture sees it. */
export class ModelReader {
  /** `general.architecture`. */
  readonly architecture: string;
  readonly #metadata: GgufMetadata;
  readonly #tensors: TensorCatalogue;
  readonly #keysRead = new Set<string>();
  readonly #tensorsNamed = new Set<string>();

  constructor(metadata: GgufMetadata, tensors: TensorCatalogue) {
    this.architecture = metadata.getString("general.architecture");
    this.#metadata = metadata;
    this.#tensors = tensors;
  }

  /** Number under `<architecture>.<key>`, or the fallback. */
  number<F = never>(key: string, ...fallback: [F?]): number | F {
    return this.#metadata.getNumber(this.#full(key), ...fallback);
  }

  /** Text under `<architecture>.<key>`, or the fallback. */
  text<F = never>(key: string, ...fallback: [F?]): string | F {
    return this.#metadata.getString(this.#full(key), ...fallback);
  }

  /**
   * A positive integer under `<architecture>.<key>`, or the fallback.
   *
   * @throws {EngineError} `model_file_invalid` if it is not one.
   */
  count(key: string, ...fallback: [number?]): number {
    return this.#checkedCount(key, this.number(key, ...fallback));
  }

  /**
   * {@link count} of what each layer has: given once, or for each of `layerCount` layers.
   *
   * @throws {EngineError} `model_unsupported` if layers differ.
   */
  countPerLayer(key: string, layerCount: number, ...fallback: [number?]): number {
    const options = { count: layerCount };
    return this.#checkedCount(
      key,
      this.#metadata.getUniformNumber(this.#full(key), options, ...fallback),
    );
  }

  /**
   * {@link count} of each of `layerCount` layers: given once, or for each.
   *
   * @throws {EngineError} `model_file_invalid` if it is not a count of each.
   */
  countsPerLayer(key: string, layerCount: number): readonly number[] {
    const numbers = this.#metadata.getNumberOrNumbers(this.#full(key));
    if (typeof numbers === "number") {
      return new Array<number>(layerCount).fill(this.#checkedCount(key, numbers));
    }
    if (numbers.length !== layerCount) {
      const full = `${this.architecture}.${key}`;
      throw invalid(`"${full}" has ${numbers.length} values for ${layerCount} layers`);
    }
    return numbers.map((number) => this.#checkedCount(key, number));
  }

  /**
   * A number above 0 under `<architecture>.<key>`, or the fallback.
   *
   * @throws {EngineError} `model_file_invalid` if it is not one.
   */
  positive(key: string, ...fallback: [number?]): number {
    const value = this.number(key, ...fallback);
    if (value > 0) return value;
    throw invalid(`"${this.architecture}.${key}" is ${value}, no positive number`);
  }

  /**
   * Booleans of each layer under `<architecture>.<key>`; null if there is no array.
   *
   * @throws {EngineError} `model_file_invalid` if there are not `layerCount` of them.
   */
  flagPerLayer(key: string, layerCount: number): readonly boolean[] | null {
    const full = this.#full(key);
    const flags = this.#metadata.getBooleansIfArray(full);
    if (flags === null || flags.length === layerCount) return flags;
    throw invalid(`"${full}" has ${flags.length} values for ${layerCount} layers`);
  }

  /** Boolean under `<architecture>.<key>`, or the fallback. */
  flag(key: string, fallback: boolean): boolean {
    return this.#metadata.getBoolean(this.#full(key), fallback);
  }

  /** Whether the file has a tensor. */
  hasTensor(name: string, wanted: readonly number[]): boolean {
    return this.#tensors.shapeOf(name, wanted) !== null;
  }

  /**
   * Refuses a mixture of experts.
   *
   * @throws {EngineError} `model_unsupported`.
   */
  refuseExperts(): void {
    const count = this.number("expert_count", 0);
    if (count > 0) throw unsupported(`it mixes experts (${count} of them)`);
  }

  /** Rows of a matrix of `columnCount` columns whose height only the file knows. */
  rowCount(name: string, columnCount: number): number {
    return this.#shapeOf(name, [columnCount, 1])[1] ?? 1;
  }

  /**
   * Names all rows of a matrix.
   *
   * @throws {EngineError} `model_file_invalid` if it is missing or has another shape.
   */
  matrix(name: string, columnCount: number, rowCount: number): MatrixPlan {
    return { tensor: this.#named(name, [columnCount, rowCount]), rowStart: 0, rowCount };
  }

  /** Names all rows of a matrix that is several, one below the other. */
  matrices(name: string, columnCount: number, rowCounts: readonly number[]): MatrixPlan[] {
    const total = rowCounts.reduce((sum, rowCount) => sum + rowCount, 0);
    const { tensor } = this.matrix(name, columnCount, total);
    let rowStart = 0;
    return rowCounts.map((rowCount) => {
      const plan = { tensor, rowStart, rowCount };
      rowStart += rowCount;
      return plan;
    });
  }

  /** {@link matrix} of a tensor that has one for each expert; the plan is that of one. */
  expertMatrix(name: string, sizes: ExpertTensorSizes & { columnCount: number }): MatrixPlan {
    const { columnCount, rowCount, expertCount } = sizes;
    const tensor = this.#named(name, [columnCount, rowCount, expertCount]);
    return { tensor, rowStart: 0, rowCount };
  }

  /** {@link vector} of a tensor that has one for each expert. */
  expertVector(name: string, { rowCount, expertCount }: ExpertTensorSizes): string {
    return this.#named(name, [rowCount, expertCount]);
  }

  /**
   * Names a vector, and gives its name.
   *
   * @throws {EngineError} `model_file_invalid` if it is missing or has another shape.
   */
  vector(name: string, length: number): string {
    return this.#named(name, [length]);
  }

  /** {@link vector}, or null if the file lacks it. */
  vectorIfAny(name: string, length: number): string | null {
    return this.hasTensor(name, [length]) ? this.vector(name, length) : null;
  }

  /** Says of a tensor, if there is one, that what is computed does not depend on it. */
  leaveOut(name: string): void {
    this.#tensorsNamed.add(name);
  }

  /**
   * Refuses keys and tensors that would be ignored.
   *
   * @throws {EngineError} `model_unsupported` naming the first.
   */
  refuseRest(): void {
    for (const [part, { neutral, meaning }] of Object.entries(MEANINGS)) {
      const key = `${this.architecture}.${part}`;
      const value = this.#metadata.getNumber(key, neutral);
      if (value === neutral || this.#keysRead.has(key)) continue;
      throw unsupported(`it ${meaning} ("${key}" is ${value}), which would be ignored`);
    }
    for (const name of this.#tensors.names()) {
      if (this.#tensorsNamed.has(name)) continue;
      throw unsupported(`it has tensor "${name}", which would be ignored`);
    }
  }

  #checkedCount(key: string, value: number): number {
    if (Number.isInteger(value) && value >= 1) return value;
    throw invalid(`"${this.architecture}.${key}" is ${value}, no positive integer`);
  }

  #full(key: string): string {
    const full = `${this.architecture}.${key}`;
    this.#keysRead.add(full);
    return full;
  }

  #named(name: string, wanted: readonly number[]): string {
    const shape = this.#shapeOf(name, wanted);
    if (String(shape) !== String(withoutTrailingOnes(wanted))) {
      throw invalid(`tensor "${name}" has shape [${shape}], expected [${wanted}]`);
    }
    this.#tensorsNamed.add(name);
    return name;
  }

  #shapeOf(name: string, wanted: readonly number[]): readonly number[] {
    const shape = this.#tensors.shapeOf(name, wanted);
    if (shape === null) throw invalid(`tensor "${name}" is missing`);
    return shape;
  }
}

/** The error of a model this project cannot run. */
export function unsupported(state: string): EngineError {
  return new EngineError("model_unsupported", `Cannot run this model: ${state}`);
}

/** The error of a file that contradicts itself. */
export function invalid(state: string): EngineError {
  return new EngineError("model_file_invalid", `Cannot run this model: ${state}`);
}
