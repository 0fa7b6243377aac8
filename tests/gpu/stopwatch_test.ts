import { assert, assertEquals } from "@std/assert";
import { openGpu } from "../../src/gpu/open_gpu.ts";
import { Kernel } from "../../src/gpu/kernel.ts";
import { ReadBack } from "../../src/gpu/read_back.ts";
import { Stopwatch } from "../../src/gpu/stopwatch.ts";

const LOOP = `@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  var sum = 0.0;
  for (var i = 0u; i < 4000u; i++) { sum += sin(f32(i + id.x)); }
  y[id.x] = sum;
}`;

Deno.test("Stopwatch.seconds() adds spans of two words, and counts a clock set back as 0", () => {
  const second = 1_000_000_000;
  const words = Uint32Array.of(5, 0, 5 + second, 0, 2 ** 32 - 1, 1, 0, 2, 9, 9, 3, 9);
  assertEquals(Stopwatch.seconds(words), (second + 1) / 1e9);
  assertEquals(Stopwatch.seconds(new Uint32Array()), 0);
});

Deno.test("Stopwatch measures what is encoded in its spans, no longer than it took", async () => {
  const gpu = await openGpu();
  const kernel = await Kernel.create(gpu, { label: "loop", code: LOOP });
  const y = gpu.createBuffer("y", 4096 * 4);
  const bound = kernel.bind({ y });
  const stopwatch = Stopwatch.create(gpu, 2);
  assert(stopwatch !== null, "the adapter of the tests has timestamps");
  const readBack = ReadBack.create(gpu, "times", stopwatch.resultSizeBytes);
  const measure = async (groupCounts: readonly [number, number]) => {
    const encoder = gpu.device.createCommandEncoder();
    groupCounts.forEach((count, span) =>
      stopwatch.encode(encoder, span, () => {
        const pass = encoder.beginComputePass();
        kernel.dispatch(pass, bound, count);
        pass.end();
      })
    );
    stopwatch.encodeResults(encoder, readBack, 0);
    const startMs = performance.now();
    gpu.device.queue.submit([encoder.finish()]);
    const words = new Uint32Array(await readBack.read(stopwatch.resultSizeBytes));
    const wallSeconds = (performance.now() - startMs) / 1000;
    const spans = [0, 1].map((span) => Stopwatch.seconds(words.subarray(4 * span, 4 * span + 4)));
    assert(spans[0] + spans[1] <= wallSeconds, `${spans} of ${wallSeconds}`);
    return spans;
  };
  await measure([1, 1]);
  // The shortest of several: another program may take the cores during one.
  const all: number[][] = [];
  for (let turn = 0; turn < 5; turn++) all.push(await measure([64, 1]));
  const [long, short] = [0, 1].map((span) => Math.min(...all.map((spans) => spans[span])));
  assert(long > 4 * short && short > 0, `${long} and ${short} s`);
  stopwatch.destroy();
  readBack.destroy();
  gpu.close();
});
