import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { EngineError, type EngineErrorCode } from "../../src/core/errors.ts";
import type { Gpu } from "../../src/gpu/gpu.ts";
import { openGpu } from "../../src/gpu/open_gpu.ts";
import { ReadBack, readBuffer } from "../../src/gpu/read_back.ts";
import { dawn } from "../support/tint.ts";
import { countTurns } from "../support/waiting.ts";

/** Opens a device, runs `body`, and gives what it reported as failure. */
async function failureOf(body: (gpu: Gpu) => void): Promise<[EngineErrorCode, string]> {
  const gpu = await openGpu();
  const { promise, resolve } = Promise.withResolvers<[EngineErrorCode, string]>();
  gpu.onFailure = (code, message) => resolve([code, message]);
  body(gpu);
  const failure = await promise;
  gpu.close();
  return failure;
}

Deno.test("Gpu reports a command that does not validate, with the reason", async () => {
  const [code, message] = await failureOf((gpu) => {
    const buffer = gpu.createBuffer("short", 16);
    const encoder = gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, 0, buffer, 16, 64);
    gpu.device.queue.submit([encoder.finish()]);
  });
  assertEquals(code, "gpu_validation");
  assert(message.length > 10, message);
});

Deno.test("Gpu reports the loss of its device", async () => {
  const [code] = await failureOf((gpu) => gpu.device.destroy());
  assertEquals(code, "device_lost");
});

Deno.test("Gpu.createPipeline() throws the compiler's message", async () => {
  const gpu = await openGpu();
  const error = await assertRejects(
    () => gpu.createPipeline({ label: "broken", code: "@compute fn main() { nonsense }" }),
    EngineError,
    "Cannot create broken",
  );
  assertEquals(error.code, "gpu_validation");
  gpu.close();
});

Deno.test("Gpu.createPipeline() compiles a text with the same constants once, a broken one each time", async () => {
  const gpu = await openGpu();
  const code = "override A: u32; @compute @workgroup_size(A) fn main() {}";
  const make = (A: number, text = code) =>
    gpu.createPipeline({ label: `of ${A}`, code: text, constants: { A } });
  const first = await make(1);
  assertStrictEquals(await make(1), first);
  assert(await make(2) !== first, "another constant");
  assert(await make(1, `${code} // more`) !== first, "another text");
  for (const _ of [1, 2]) await assertRejects(() => make(0), EngineError, "Cannot create of 0");
  gpu.close();
});

Deno.test("Gpu.createBuffer() refuses more than the adapter allows, with both numbers", async () => {
  const gpu = await openGpu();
  const size = gpu.facts.bufferSizeMax + 16;
  try {
    gpu.createBuffer("huge", size);
    assert(false, "it must throw");
  } catch (error) {
    assert(error instanceof RangeError);
    assert(error.message.includes(String(gpu.facts.bufferSizeMax)), error.message);
  }
  gpu.close();
});

Deno.test("ReadBack reads without the fixed sleep of an awaited map, 50 times in a row", async () => {
  const gpu = await openGpu();
  const source = gpu.createBuffer("source", 16);
  const readBack = ReadBack.create(gpu, "test", 16);
  assert(readBack.isSynchronous, "the synchronous way works in this runtime");
  const turns = countTurns(1);
  for (let i = 0; i < 50; i++) {
    gpu.write(source, 0, Uint32Array.of(i, i + 1, i + 2, i + 3));
    const encoder = gpu.device.createCommandEncoder();
    readBack.encodeCopy(encoder, source, { sizeBytes: 16 });
    gpu.device.queue.submit([encoder.finish()]);
    const words = new Uint32Array(await readBack.read(16));
    assertEquals([...words], [i, i + 1, i + 2, i + 3]);
  }
  turns.stop();
  // An awaited map sleeps 10 ms, in which this thread does other work.
  assert(turns.count < 50, `${turns.count} turns during 50 reads`);
  const range = { offsetBytes: 4, sizeBytes: 8 };
  assertEquals([...new Uint32Array(await readBuffer(gpu, source, range))], [50, 51]);
  readBack.destroy();
  gpu.close();
});

Deno.test("ReadBack reads where a map stays pending until it is awaited", async () => {
  const gpu = await openGpu({ webgpu: await dawn() });
  const source = gpu.createBufferWith("source", Uint32Array.of(7, 8, 9, 10));
  const readBack = ReadBack.create(gpu, "result", 16);
  assert(!readBack.isSynchronous, "this WebGPU maps as the standard says");
  for (let turn = 0; turn < 2; turn++) {
    const encoder = gpu.device.createCommandEncoder();
    readBack.encodeCopy(encoder, source, { sizeBytes: 16 });
    gpu.device.queue.submit([encoder.finish()]);
    // Nothing is computed or copied here; before, the pending map refused this one.
    assertEquals((await readBack.read(16)).byteLength, 16);
  }
  readBack.destroy();
  gpu.close();
});
