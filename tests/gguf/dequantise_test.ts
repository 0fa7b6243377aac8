import { assertEquals } from "@std/assert";
import { dequantise } from "../../src/gguf/dequantise.ts";
import type { TensorType } from "../../src/gguf/tensor_types.ts";
import { randomBlocks } from "../support/random_blocks.ts";

/**
 * SHA-256 (its first 8 bytes) of 65,536 values, with -0 as 0, that the Python package `gguf` 0.17.1
 * expands from the same bytes.
 */
const HASHES: Partial<Record<TensorType, string>> = {
  Q5_0: "7aa9f54bae4b44b5",
  Q5_1: "a7ee77d080ca87f4",
  Q4_K: "1f09303cd949960f",
  Q5_K: "78f4261a7d6a8842",
  Q6_K: "40285c2f8474f166",
};

for (const [type, expected] of Object.entries(HASHES) as [TensorType, string][]) {
  Deno.test(`dequantise() gives the bits that ggml's package gives, of ${type}`, async () => {
    const count = 65_536;
    const values = dequantise(type, randomBlocks(type, count, 77), count);
    const hash = await crypto.subtle.digest("SHA-256", values.map((value) => value + 0));
    assertEquals(new Uint8Array(hash).subarray(0, 8).toHex(), expected);
  });
}
