/**
 * Memory that the loops in `kernels.wasm` work on, taken and given back like a stack. Addresses are
 * bytes; a view is good until more is taken.
 *
 * @module
 */

import { memory } from "./kernels.wasm";

/** Lower addresses hold constants and scratch of the loops. */
const FIRST = 4096;
const PAGE_BYTES = 65536;
const ALIGNMENT = 16;

let top = FIRST;

/** Takes so many bytes, which are not cleared. */
export function take(sizeBytes: number): number {
  const address = top;
  top += Math.ceil(sizeBytes / ALIGNMENT) * ALIGNMENT;
  const missing = top - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
  return address;
}

/** Runs something, and gives back what it took. */
export function withMemory<T>(run: () => T): T {
  const before = top;
  try {
    return run();
  } finally {
    top = before;
  }
}

/** Bytes at an address. */
export function bytesAt(address: number, count: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(memory.buffer as ArrayBuffer, address, count);
}

/** Numbers of 16 bits at an address. */
export function halvesAt(address: number, count: number): Uint16Array<ArrayBuffer> {
  return new Uint16Array(memory.buffer as ArrayBuffer, address, count);
}

/** Words at an address. */
export function wordsAt(address: number, count: number): Uint32Array<ArrayBuffer> {
  return new Uint32Array(memory.buffer as ArrayBuffer, address, count);
}
