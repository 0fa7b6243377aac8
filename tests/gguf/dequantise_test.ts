import { assertEquals } from "@std/assert";
import { dequantise } from "../../src/gguf/dequantise.ts";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import { anyBlocks, randomBlocks } from "../support/random_blocks.ts";

const COUNT = 65_536;

/** In the place of each value that is no number, whose bits are anyone's. */
const NO_NUMBER = 12_345_678;

/**
 * SHA-256 (its first 8 bytes) of the values, with -0 as 0, that the Python package `gguf` 0.19.0
 * expands from the same bytes: of finite scales, and of any bits.
 */
const HASHES: Record<TensorType, [finite: string, any: string]> = {
  F32: ["68144e2f9397e284", "c36efe9c3c2e710a"],
  F16: ["70e6d8e6b7a13edd", "c41f29474a34ed35"],
  BF16: ["9024c8a759dc258d", "421086b5bd791627"],
  Q8_0: ["8e629a9376e7ca4d", "27442556872b8d02"],
  Q4_0: ["c4d110daaa0386b7", "d4b3f7a182a26fb6"],
  Q4_1: ["2def1fd0b2a8cb8a", "59f9dc42642ed0a1"],
  Q5_0: ["e8c840700cccb0ff", "502ca5a6376d1b81"],
  Q5_1: ["0259912bf4f7ac43", "17f1e909b47037d7"],
  Q2_K: ["4ddc07f6beeb89b5", "37c9121f16b7034f"],
  Q3_K: ["00b752e2932f445d", "e0d56f9853acb433"],
  Q4_K: ["98c800d962ba3325", "d1c1429cb9333a30"],
  Q5_K: ["90b476141a0d121c", "4daadba831d5a07d"],
  Q6_K: ["497e03cb02c96618", "61ebe9457418417e"],
  IQ4_NL: ["1f587ea87a079fd7", "d152e9bbc700dde9"],
  IQ4_XS: ["557fc68ab55a6f3d", "6875676dd397084c"],
  MXFP4: ["b2c0866121e4c6a5", "7f2ce039bbc3af0f"],
};

for (const [type, [finite, any]] of Object.entries(HASHES) as [TensorType, string[]][]) {
  Deno.test(`dequantise() gives the bits that ggml's package gives, of ${type}`, async () => {
    assertEquals(await hashOf(dequantise(type, randomBlocks(type, COUNT, 77), COUNT)), finite);
    assertEquals(await hashOf(dequantise(type, anyBlocks(type, COUNT, 78), COUNT)), any);
  });
}

async function hashOf(values: Float32Array<ArrayBuffer>): Promise<string> {
  const plain = values.map((value) => Number.isNaN(value) ? NO_NUMBER : value + 0);
  const hash = await crypto.subtle.digest("SHA-256", plain);
  return new Uint8Array(hash).subarray(0, 8).toHex();
}
