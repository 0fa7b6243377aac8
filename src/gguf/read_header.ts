/**
 * The header of a GGUF file as it is: key-value pairs and where tensors are said to be.
 * Specification: GGUF versions 1 to 3, of ggml.
 *
 * Each count of the file is compared with the bytes that are left before anything is allocated.
 *
 * @module
 */

import { quote } from "../core/quote.ts";
import { CursorError, FileCursor, NUMBER_SIZE_BYTES, type NumberType } from "./file_cursor.ts";
import { TextList } from "./text_list.ts";

/** Longest header; those of real models have up to about 20 MB, vocabularies for the most part. */
export const HEADER_SIZE_BYTES_MAX = 2 ** 26;

const DEPTH_MAX = 4; // arrays of arrays
const LIST_LENGTH_MIN = 1024; // shorter arrays of texts are read at once
const DIMENSION_COUNT_MAX = 4; // ggml's
const NAME_LENGTH_MAX = 256; // ggml's is 64
const PAIR_SIZE_BYTES_MIN = 4 + 4 + 1; // key, type and value, in version 1
const TENSOR_SIZE_BYTES_MIN = 4 + 4 + 4 + 8;

/** Types of values by the number a file stores. */
const VALUE_TYPES = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;
type ValueType = typeof VALUE_TYPES[number];

/** A value of a pair; integers of 64 bits are bigints, long arrays of texts lists. */
export type HeaderValue =
  | string
  | number
  | bigint
  | boolean
  | TextList
  | readonly HeaderValue[];

/** A tensor as the header describes it. */
export interface HeaderTensor {
  name: string;
  /** ggml's number of its type. */
  typeId: number;
  /** Columns first. */
  shape: number[];
  /** From the beginning of tensor data. */
  offsetBytes: number;
}

/** What a header says. */
export interface Header {
  version: number;
  values: ReadonlyMap<string, HeaderValue>;
  tensors: readonly HeaderTensor[];
  /** Where it ends, before padding. */
  sizeBytes: number;
}

/** What is wrong with a header, without the file's name. */
export class HeaderError extends Error {
  override name = "HeaderError";
  /** Whether the file may be valid, but is not supported. */
  readonly isUnsupported: boolean;

  constructor(message: string, { isUnsupported = false } = {}) {
    super(message);
    this.isUnsupported = isUnsupported;
  }
}

/**
 * Reads the header at the beginning of a file.
 *
 * @param file Stands at its beginning.
 * @param sizeBytes Of all of it.
 * @throws {HeaderError} If it is no header, ends too early, contradicts itself, or is too long.
 */
export function readHeader(file: Deno.FsFile, sizeBytes: number): Header {
  return new HeaderReader(file, sizeBytes).read();
}

class HeaderReader {
  readonly #cursor: FileCursor;
  readonly #isWhole: boolean;
  /** Counts and lengths have 32 bits in version 1, 64 later. */
  #countType: "u32" | "u64" = "u64";
  /** What is read, for messages. */
  #place = "its first bytes";

  constructor(file: Deno.FsFile, sizeBytes: number) {
    this.#isWhole = sizeBytes <= HEADER_SIZE_BYTES_MAX;
    this.#cursor = new FileCursor(file, Math.min(sizeBytes, HEADER_SIZE_BYTES_MAX));
  }

  read(): Header {
    try {
      const { version, tensorCount, pairCount } = this.#readStart();
      const values = this.#readPairs(pairCount);
      const tensors = Array.from({ length: tensorCount }, (_, index) => this.#readTensor(index));
      return { version, values, tensors, sizeBytes: this.#cursor.offsetBytes };
    } catch (error) {
      if (error instanceof CursorError) throw this.#tooShort(error.message);
      throw error;
    }
  }

  #readStart(): { version: number; tensorCount: number; pairCount: number } {
    if (this.#cursor.text(4) !== "GGUF") throw new HeaderError("it is no GGUF file");
    const version = this.#cursor.number("u32");
    if ((version & 0xffff) === 0) {
      throw new HeaderError("it is big-endian", { isUnsupported: true });
    }
    if (version > 3) {
      throw new HeaderError(`its version is ${version}; supported: 1 to 3`, {
        isUnsupported: true,
      });
    }
    this.#countType = version === 1 ? "u32" : "u64";
    const tensorCount = this.#count("tensors", TENSOR_SIZE_BYTES_MIN);
    const pairCount = this.#count("metadata pairs", PAIR_SIZE_BYTES_MIN);
    return { version, tensorCount, pairCount };
  }

  #readPairs(pairCount: number): Map<string, HeaderValue> {
    const values = new Map<string, HeaderValue>();
    for (let index = 0; index < pairCount; index++) {
      this.#place = `metadata pair ${index}`;
      const key = this.#readString();
      this.#place = `metadata key ${quote(key)}`;
      if (values.has(key)) throw new HeaderError(`${this.#place} appears twice`);
      values.set(key, this.#readValue(this.#readType(), 0));
    }
    return values;
  }

  #readType(): ValueType {
    const id = this.#cursor.number("u32");
    const type = VALUE_TYPES[id];
    if (type === undefined) throw new HeaderError(`${this.#place} has a value of type ${id}`);
    return type;
  }

  #readValue(type: ValueType, depth: number): HeaderValue {
    if (type === "string") return this.#readString();
    if (type === "bool") return this.#cursor.number("u8") !== 0;
    if (type === "u64" || type === "i64") return this.#cursor.bigint(type);
    if (type !== "array") return this.#cursor.number(type);
    if (depth >= DEPTH_MAX) {
      throw new HeaderError(`${this.#place} has arrays more than ${DEPTH_MAX} deep`);
    }
    const elementType = this.#readType();
    const length = this.#count("elements", this.#sizeBytesMin(elementType));
    if (elementType === "string" && length >= LIST_LENGTH_MIN) return this.#readTextList(length);
    const values = new Array<HeaderValue>(length);
    for (let index = 0; index < length; index++) {
      values[index] = this.#readValue(elementType, depth + 1);
    }
    return values;
  }

  #readTextList(length: number): TextList {
    const beginBytes = this.#cursor.offsetBytes;
    for (let index = 0; index < length; index++) {
      this.#cursor.skip(this.#cursor.number(this.#countType));
    }
    const bytes = this.#cursor.bytesSince(beginBytes);
    return new TextList(bytes, { length, countSizeBytes: this.#countSizeBytes });
  }

  #sizeBytesMin(type: ValueType): number {
    if (type === "string") return this.#countSizeBytes;
    if (type === "array") return 4 + this.#countSizeBytes;
    return type === "bool" ? 1 : NUMBER_SIZE_BYTES[type as NumberType];
  }

  #readTensor(index: number): HeaderTensor {
    this.#place = `tensor ${index}`;
    const name = this.#readString();
    this.#place = `tensor ${quote(name)}`;
    if (name.length > NAME_LENGTH_MAX) {
      throw new HeaderError(`${this.#place} has a name of ${name.length} characters`);
    }
    const dimensionCount = this.#cursor.number("u32");
    if (dimensionCount > DIMENSION_COUNT_MAX) {
      throw new HeaderError(
        `${this.#place} has ${dimensionCount} dimensions, more than ${DIMENSION_COUNT_MAX}`,
      );
    }
    const shape = Array.from(
      { length: dimensionCount },
      () => this.#cursor.number(this.#countType),
    );
    const typeId = this.#cursor.number("u32");
    return { name, typeId, shape, offsetBytes: this.#cursor.number("u64") };
  }

  #readString(): string {
    return this.#cursor.text(this.#cursor.number(this.#countType));
  }

  /** A count of things of which each takes at least `sizeBytesMin`. */
  #count(what: string, sizeBytesMin: number): number {
    const count = this.#cursor.number(this.#countType);
    const countMax = Math.floor(this.#cursor.leftBytes / sizeBytesMin);
    if (count > countMax) throw this.#tooShort(`${count} ${what}, room for ${countMax}`);
    return count;
  }

  get #countSizeBytes(): 4 | 8 {
    return this.#countType === "u32" ? 4 : 8;
  }

  #tooShort(state: string): HeaderError {
    if (this.#isWhole) return new HeaderError(`it ends inside ${this.#place} (${state})`);
    return new HeaderError(
      `${this.#place} reaches past the first ${HEADER_SIZE_BYTES_MAX} bytes, the longest header ` +
        `that is read (${state})`,
      { isUnsupported: true },
    );
  }
}
