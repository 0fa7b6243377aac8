/**
 * Typed look-up of a GGUF file's key-value pairs.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { TextList } from "./text_list.ts";

const NUMBER = "a number";

/** The key-value pairs of a GGUF file. Every failure names the key. */
export class GgufMetadata {
  readonly #values: Readonly<Record<string, unknown>>;

  /** @param values Strings, numbers, bigints, booleans, arrays of them and text lists, by key. */
  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  /** The pairs without those whose key begins with `prefix`, as values that can be posted. */
  valuesWithout(prefix: string): Record<string, unknown> {
    const pairs = Object.entries(this.#values).filter(([key]) => !key.startsWith(prefix));
    return Object.fromEntries(pairs.map(([key, value]) => {
      return [key, value instanceof TextList ? value.texts() : value];
    }));
  }

  /** Whether the file has `key`. */
  has(key: string): boolean {
    return Object.hasOwn(this.#values, key);
  }

  /**
   * The text of `key`, or `fallback` if the file lacks it.
   *
   * @throws {EngineError} `model_file_invalid` if it is not text, or missing without a fallback.
   */
  getString<F = never>(key: string, ...fallback: [F?]): string | F {
    return this.#get(
      key,
      fallback,
      "a string",
      (value) => typeof value === "string" ? value : null,
    );
  }

  /**
   * The number of `key`, or `fallback` if the file lacks it. It is finite; 64-bit integers must be
   * exact in f64.
   *
   * @throws {EngineError} `model_file_invalid` if it is no such number, or missing without a
   * fallback.
   */
  getNumber<F = never>(key: string, ...fallback: [F?]): number | F {
    return this.#get(key, fallback, NUMBER, asNumber);
  }

  /**
   * The number of `key`, which may be given once or once for each of `count` layers, all alike.
   *
   * @throws {EngineError} As {@link getNumber}, or if it has another count; `model_unsupported` if
   * it differs between layers.
   */
  getUniformNumber<F = never>(
    key: string,
    { count }: { count: number },
    ...fallback: [F?]
  ): number | F {
    if (!Array.isArray(this.#values[key])) return this.getNumber(key, ...fallback);
    const numbers = this.getNumbers(key);
    if (numbers.length !== count) {
      throw invalid(key, `it has ${numbers.length} numbers for ${count} layers`);
    }
    const other = numbers.findIndex((number) => number !== numbers[0]);
    if (other === -1) return numbers[0];
    throw new EngineError(
      "model_unsupported",
      `Cannot run this model: "${key}" differs between layers ` +
        `(layer 0 has ${numbers[0]}, layer ${other} ${numbers[other]})`,
    );
  }

  /**
   * The boolean of `key`, or `fallback` if the file lacks it.
   *
   * @throws {EngineError} `model_file_invalid` if it is no boolean, or missing without a fallback.
   */
  getBoolean<F = never>(key: string, ...fallback: [F?]): boolean | F {
    return this.#get(key, fallback, "a boolean", (v) => typeof v === "boolean" ? v : null);
  }

  /**
   * The booleans of `key`, or null if the file lacks it or it is no array.
   *
   * @throws {EngineError} `model_file_invalid` if it is an array of something else.
   */
  getBooleansIfArray(key: string): readonly boolean[] | null {
    if (!Array.isArray(this.#values[key])) return null;
    return this.#get(key, [], "an array of booleans", (value) => {
      if (!Array.isArray(value)) return null;
      return value.every((element) => typeof element === "boolean") ? value : null;
    });
  }

  /**
   * The texts of `key`, or `fallback` if the file lacks it.
   *
   * @throws {EngineError} `model_file_invalid` if it is no array of text, or missing without a
   * fallback.
   */
  getStrings<F = never>(key: string, ...fallback: [F?]): readonly string[] | F {
    return this.#get(key, fallback, "an array of strings", (value) => {
      if (value instanceof TextList) return value.texts();
      if (!Array.isArray(value)) return null;
      return value.every((element) => typeof element === "string") ? value : null;
    });
  }

  /**
   * The texts of `key` as a list.
   *
   * @throws {EngineError} `model_file_invalid` if it is no array of text, or missing.
   */
  getTextList(key: string): TextList {
    const value = this.has(key) ? this.#values[key] : undefined;
    return value instanceof TextList ? value : TextList.of(this.getStrings(key));
  }

  /**
   * The numbers of `key`, or `fallback` if the file lacks it.
   *
   * @throws {EngineError} `model_file_invalid` if it is no array of numbers, or missing without a
   * fallback.
   */
  getNumbers<F = never>(key: string, ...fallback: [F?]): readonly number[] | F {
    return this.#get(key, fallback, "an array of numbers", (value) => {
      if (!Array.isArray(value)) return null;
      const numbers = value.map(asNumber);
      return numbers.includes(null) ? null : numbers as number[];
    });
  }

  /**
   * The number, or the numbers, of `key`.
   *
   * @throws {EngineError} `model_file_invalid` if it is neither, or missing.
   */
  getNumberOrNumbers(key: string): number | readonly number[] {
    return Array.isArray(this.#values[key]) ? this.getNumbers(key) : this.getNumber(key);
  }

  #get<T, F>(
    key: string,
    fallback: [F?],
    wanted: string,
    read: (value: unknown) => T | null,
  ): T | F {
    if (!this.has(key)) {
      if (fallback.length > 0) return fallback[0] as F;
      throw invalid(key, "the model file does not have it");
    }
    const stored = this.#values[key];
    const value = read(stored);
    if (value !== null) return value;
    if (wanted === NUMBER && (typeof stored === "number" || typeof stored === "bigint")) {
      throw invalid(key, `it is ${stored}, not a finite number that is exact in 64 bits`);
    }
    throw invalid(key, `it is not ${wanted}`);
  }
}

function asNumber(value: unknown): number | null {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value !== "bigint") return null;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : null;
}

function invalid(key: string, state: string): EngineError {
  return new EngineError("model_file_invalid", `Cannot read metadata key "${key}": ${state}`);
}
