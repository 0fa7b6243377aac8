/**
 * Writes small GGUF version 3 files. The GGUF specification of ggml describes them.
 *
 * @module
 */

import { alignUp } from "../../src/core/shapes.ts";
import { elementsSizeBytes, TENSOR_TYPES, type TensorType } from "../../src/gguf/tensor_types.ts";

/**
 * A value as it is stored: text, boolean, integer as u32 (i32 if negative), other numbers as f32,
 * `{ f32 }` for a whole number that is stored as f32, and arrays of one of these; integers in
 * arrays are i32, as other programs want them.
 */
export type GgufValue = GgufScalar | readonly GgufScalar[];
type GgufScalar = string | boolean | number | { f32: number };

/** A tensor to write. */
export interface GgufTensorData {
  name: string;
  type: TensorType;
  /** `shape[0]` columns, contiguous in memory. */
  shape: readonly number[];
  /** Blocks of `type`. */
  bytes: Uint8Array;
}

const VERSION = 3;
const ALIGNMENT_BYTES = 32;
const VALUE_TYPE_IDS = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;
type ScalarType = Exclude<keyof typeof VALUE_TYPE_IDS, "array">;

/**
 * Writes a GGUF file with tensors in the order given.
 *
 * @throws {RangeError} If a tensor's bytes do not fit its shape, or an array mixes types.
 */
export async function writeGguf(
  path: string,
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensorData[],
): Promise<void> {
  const writer = new ByteWriter();
  writer.bytes(new TextEncoder().encode("GGUF"));
  writer.u32(VERSION);
  writer.u64(tensors.length);
  writer.u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) writeEntry(writer, key, value);
  let offsetBytes = 0;
  for (const tensor of tensors) {
    writeTensorInfo(writer, tensor, offsetBytes);
    offsetBytes = alignUp(offsetBytes + tensor.bytes.length, ALIGNMENT_BYTES);
  }
  for (const tensor of tensors) {
    writer.pad(ALIGNMENT_BYTES);
    writer.bytes(tensor.bytes);
  }
  await Deno.writeFile(path, writer.finish());
}

function writeEntry(writer: ByteWriter, key: string, value: GgufValue): void {
  writer.string(key);
  if (!Array.isArray(value)) {
    const type = typeOf(value as GgufScalar);
    writer.u32(VALUE_TYPE_IDS[type]);
    writer.scalar(type, value as GgufScalar);
    return;
  }
  const ofFirst = typeOf(value[0] ?? "");
  const type = ofFirst === "u32" ? "i32" : ofFirst;
  if (value.some((each) => typeof each !== typeof value[0])) {
    throw new RangeError(`Cannot write metadata key "${key}": its array mixes types`);
  }
  writer.u32(VALUE_TYPE_IDS.array);
  writer.u32(VALUE_TYPE_IDS[type]);
  writer.u64(value.length);
  for (const each of value) writer.scalar(type, each);
}

function writeTensorInfo(writer: ByteWriter, tensor: GgufTensorData, offsetBytes: number): void {
  const elementCount = tensor.shape.reduce((product, size) => product * size, 1);
  const wantedBytes = elementsSizeBytes(tensor.type, elementCount);
  if (tensor.bytes.length !== wantedBytes) {
    throw new RangeError(
      `Cannot write tensor "${tensor.name}": ${tensor.bytes.length} bytes, not ${wantedBytes}`,
    );
  }
  writer.string(tensor.name);
  writer.u32(tensor.shape.length);
  for (const size of tensor.shape) writer.u64(size);
  writer.u32(TENSOR_TYPES[tensor.type].ggmlId);
  writer.u64(offsetBytes);
}

function typeOf(value: GgufScalar): ScalarType {
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "object" || !Number.isInteger(value)) return "f32";
  return value < 0 ? "i32" : "u32";
}

/** Collects little-endian bytes. */
class ByteWriter {
  readonly #parts: Uint8Array[] = [];
  #sizeBytes = 0;

  bytes(part: Uint8Array): void {
    this.#parts.push(part);
    this.#sizeBytes += part.length;
  }

  u32(value: number): void {
    this.bytes(new Uint8Array(Uint32Array.of(value).buffer));
  }

  u64(value: number): void {
    this.bytes(new Uint8Array(BigUint64Array.of(BigInt(value)).buffer));
  }

  string(text: string): void {
    const utf8 = new TextEncoder().encode(text);
    this.u64(utf8.length);
    this.bytes(utf8);
  }

  scalar(type: ScalarType, value: GgufScalar): void {
    const number = typeof value === "object" ? value.f32 : Number(value);
    if (type === "string") this.string(String(value));
    else if (type === "bool") this.bytes(Uint8Array.of(number));
    else if (type === "f32") this.bytes(new Uint8Array(Float32Array.of(number).buffer));
    else this.u32(number >>> 0);
  }

  pad(unitBytes: number): void {
    this.bytes(new Uint8Array(alignUp(this.#sizeBytes, unitBytes) - this.#sizeBytes));
  }

  finish(): Uint8Array<ArrayBuffer> {
    const file = new Uint8Array(this.#sizeBytes);
    let at = 0;
    for (const part of this.#parts) {
      file.set(part, at);
      at += part.length;
    }
    return file;
  }
}
