import type { Gpu } from "./gpu.ts";
import { ReadBack } from "./read_back.ts";

/** Repetitions; the fastest counts. */
const REPEAT_COUNT = 4;

/** What takes longer than this is repeated less. */
const LONG_MS = 200;

/** Commands of about this long are timed together, so that what a submit takes counts little. */
const TOGETHER_MS = 10;
const TOGETHER_COUNT_MAX = 64;

/** Milliseconds of the fastest run, from submitting to reading; the first is not counted. */
export async function fastest(
  gpu: Gpu,
  { readBack, y }: { readBack: ReadBack; y: GPUBuffer },
  encode: (pass: GPUComputePassEncoder) => void,
): Promise<number> {
  let leastMs = Infinity;
  for (let turn = 0; turn <= REPEAT_COUNT; turn++) {
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass);
    pass.end();
    readBack.encodeCopy(encoder, y, { sizeBytes: 16 });
    const commands = encoder.finish();
    const startMs = performance.now();
    gpu.device.queue.submit([commands]);
    await readBack.read(16);
    const ownMs = performance.now() - startMs;
    if (turn > 0) leastMs = Math.min(leastMs, ownMs);
    if (turn > 0 && ownMs > LONG_MS) break;
  }
  return leastMs;
}

/** Milliseconds of what is encoded, without those of a submit and of reading a result. */
export async function timeOf(
  gpu: Gpu,
  y: GPUBuffer,
  encode: (pass: GPUComputePassEncoder) => void,
): Promise<number> {
  const readBack = ReadBack.create(gpu, "result", 16);
  const times = (count: number) =>
    fastest(gpu, { readBack, y }, (pass) => {
      for (let turn = 0; turn < count; turn++) encode(pass);
    });
  try {
    const onceMs = await times(1);
    if (onceMs > TOGETHER_MS) return onceMs;
    const count = Math.min(TOGETHER_COUNT_MAX, Math.ceil(TOGETHER_MS / onceMs)) + 1;
    const manyMs = await times(count);
    // A machine that does other things meanwhile may have been slower once.
    return manyMs > onceMs ? (manyMs - onceMs) / (count - 1) : manyMs / count;
  } finally {
    readBack.destroy();
  }
}
