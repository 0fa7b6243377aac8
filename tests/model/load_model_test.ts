/** What loading refuses before it reads, how much of a file it holds, and what it reports. */

import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { elementsSizeBytes } from "../../src/gguf/tensor_types.ts";
import { type GgufFile, readGguf } from "../../src/gguf/read_gguf.ts";
import { readModelPlan } from "../../src/model/architectures/registry.ts";
import { streamWeights } from "../../src/model/stream_weights.ts";
import { uploadWeights, weightSizeBytes } from "../../src/model/weights.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { testGpu } from "../support/gpu.ts";
import { withTinyModel } from "../support/tiny_engine.ts";

const EMBEDDING = "token_embd.weight";

/** The same file, with an embedding that is said to take `sizeBytes`. */
function enlarged(file: GgufFile, sizeBytes: number): GgufFile {
  const embedding = { ...file.tensors.get(EMBEDDING)!, sizeBytes };
  return { ...file, tensors: new Map([...file.tensors, [EMBEDDING, embedding]]) };
}

Deno.test("loadModel() refuses what cannot fit software Vulkan with both numbers, and reads nothing", async () => {
  const { facts } = await testGpu();
  if (!facts.isFallback) return; // others do not say how much memory they have
  await withTinyModel({}, async (path) => {
    const file = await readGguf(path);
    const tooLarge = enlarged(file, 2 ** 50);
    const moved = `${path}.moved`;
    await Deno.rename(path, moved); // who reads a tensor now fails otherwise
    const error = await assertRejects(() => loadModel(tooLarge, () => {}), EngineError);
    await Deno.rename(moved, path);
    assertEquals((error as EngineError).code, "model_too_large");
    const [, needed, free] = /needs (\d+) bytes, (\d+) are free/.exec((error as Error).message)!;
    assertEquals(Number(needed), weightSizeBytes(tooLarge));
    assert(Number(free) > 0 && Number(free) <= Deno.systemMemoryInfo().total, free);
  });
});

Deno.test("streamWeights() never holds more of a weight than a chunk of rows", async () => {
  const gpu = await testGpu();
  const [rowCount, columnCount, chunkSizeBytes] = [4096, 256, 2 ** 16];
  let [readBytes, largestBytes] = [0, 0];
  const read = (_: number, count: number) => {
    const bytes = new Uint8Array(elementsSizeBytes("Q4_K", count * columnCount));
    readBytes += bytes.length;
    largestBytes = Math.max(largestBytes, bytes.length);
    return bytes;
  };
  const sources = [{ type: "Q4_K" as const, rowCount, read }];
  streamWeights(gpu, { label: "w", columnCount, sources, chunkSizeBytes });
  assertEquals(readBytes, elementsSizeBytes("Q4_K", rowCount * columnCount));
  // Codes are 128 of the 144 bytes of a super-block.
  assertEquals(largestBytes, chunkSizeBytes * 144 / 128);
});

Deno.test("uploadWeights() reports the share of the bytes that are there, not of the layers", () =>
  withTinyModel({ vocabSize: 8192, layerCount: 4, tiedOutput: true }, async (path) => {
    const gpu = await testGpu();
    const file = await readGguf(path);
    const fractions: number[] = [];
    const onProgress = (_: string, fraction: number) => fractions.push(fraction);
    await uploadWeights(gpu, { file, plan: readModelPlan(file), onProgress });
    const ofEmbedding = file.tensors.get(EMBEDDING)!.sizeBytes / weightSizeBytes(file);
    assertGreater(ofEmbedding, 0.6);
    assertEquals(fractions.length, 5);
    assertEquals(fractions, fractions.toSorted((a, b) => a - b));
    // The embedding comes before the first of four layers, which are alike.
    fractions.forEach((fraction, layer) => {
      const wanted = ofEmbedding + (1 - ofEmbedding) * layer / 4;
      assert(Math.abs(fraction - wanted) < 0.01, `${fraction} for ${wanted}`);
    });
  }));
