/**
 * Tensors of a safetensors file: the length of a JSON header as u64, the header, then the bytes.
 *
 * @module
 */

import { f16ToNumber } from "../../../codec/f16.ts";

/** A tensor as f32. */
export interface Tensor {
  shape: readonly number[];
  values: Float32Array;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const HEADER_BYTES_MAX = 2 ** 27;

const READERS: Readonly<
  Record<string, { size: number; at: (view: DataView, i: number) => number }>
> = {
  F32: { size: 4, at: (view, i) => view.getFloat32(4 * i, true) },
  F16: { size: 2, at: (view, i) => f16ToNumber(view.getUint16(2 * i, true)) },
  BF16: { size: 2, at: (view, i) => numberOfBits(view.getUint16(2 * i, true) << 16) },
};

/**
 * Reads the tensors that are wanted.
 *
 * @param path For messages.
 * @param isWanted Called with each name.
 * @throws {RangeError} naming what is wrong.
 */
export function parseSafetensors(
  bytes: Uint8Array,
  { path, isWanted }: { path: string; isWanted: (name: string) => boolean },
): Map<string, Tensor> {
  const refuse = (why: string): never => {
    throw new RangeError(`Cannot read ${path}: ${why}`);
  };
  if (bytes.length < 8) refuse(`it has ${bytes.length} bytes, which no safetensors file has`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  if (headerBytes > Math.min(HEADER_BYTES_MAX, bytes.length - 8)) {
    refuse(`its header would have ${headerBytes} bytes; it is cut, or no safetensors file`);
  }
  const start = 8 + headerBytes;
  let header: Record<string, Entry>;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  } catch {
    return refuse("its header is no JSON");
  }
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__" || !isWanted(name)) continue;
    const reader = READERS[entry.dtype];
    if (reader === undefined) refuse(`${name} is ${entry.dtype}; wanted F32, F16 or BF16`);
    const [from, to] = entry.data_offsets;
    const count = entry.shape.reduce((product, size) => product * size, 1);
    if (to - from !== count * reader.size || from < 0 || start + to > bytes.length) {
      refuse(`${name} of shape ${entry.shape.join(", ")} does not fit its ${to - from} bytes`);
    }
    const own = new DataView(bytes.buffer, bytes.byteOffset + start + from, to - from);
    const values = Float32Array.from({ length: count }, (_, i) => reader.at(own, i));
    tensors.set(name, { shape: entry.shape, values });
  }
  return tensors;
}

const floats = new Float32Array(1);
const floatBits = new Int32Array(floats.buffer);

function numberOfBits(bits: number): number {
  floatBits[0] = bits;
  return floats[0];
}
