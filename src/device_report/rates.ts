/**
 * What a device does by itself: rates that kernels can be compared with.
 *
 * @module
 */

import type { Gpu } from "../gpu/gpu.ts";
import { Kernel } from "../gpu/kernel.ts";
import { ReadBack } from "../gpu/read_back.ts";
import { fastest } from "../gpu/timing.ts";

/** Rates of a device. */
export interface DeviceRates {
  /** Bytes of one buffer read once in the faster of two ways, 1e9 per second. */
  streamGigabytesPerSecond: number;
  /** Multiply-adds of f32, 1e9 per second. */
  gigaMultiplyAddsPerSecond: number;
  /** Of an empty dispatch among many of one pass. */
  microsecondsPerDispatch: number;
  /** From submitting an empty dispatch until its result is read. */
  readBackMilliseconds: number;
}

const THREADS = 256;
const GROUP_COUNT = 256;
const STREAM_BYTES = 64 * 2 ** 20;
const TURN_COUNT = 256;
const DISPATCH_COUNT = 200;

/** Loads in flight of each thread. */
const LOAD_COUNT = 8;

/** Workgroups that read a part of the buffer each: those of a GPU, and of one subgroup of a CPU. */
const STREAM_SHAPES = [
  { threadCount: THREADS, groupCount: 1024 },
  { threadCount: 8, groupCount: 1024 },
] as const;

function streamText({ threadCount, groupCount }: typeof STREAM_SHAPES[number]): string {
  const turnCount = STREAM_BYTES / 16 / (threadCount * groupCount);
  const loads = Array.from(
    { length: LOAD_COUNT },
    (_, load) =>
      `    sum ^= x[(group.x * ${turnCount}u + turn + ${load}u) * ${threadCount}u + thread];`,
  );
  return `@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(${threadCount})
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(local_invocation_index) thread: u32,
) {
  var sum = vec4<u32>(0u);
  for (var turn = 0u; turn < ${turnCount}u; turn += ${LOAD_COUNT}u) {
${loads.join("\n")}
  }
  y[group.x * ${threadCount}u + thread] = sum.x ^ sum.y ^ sum.z ^ sum.w;
}`;
}

const ARITHMETIC = `@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let by = vec4<f32>(y[id.x] + 0.5);
  var a = by;
  var b = by + 1.0;
  var c = by + 2.0;
  var d = by + 3.0;
  for (var i = 0u; i < ${TURN_COUNT}u; i++) {
    a = fma(a, by, b);
    b = fma(b, by, c);
    c = fma(c, by, d);
    d = fma(d, by, a);
  }
  y[id.x] = dot(a + b + c + d, vec4<f32>(1.0));
}`;

const EMPTY = `@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1) fn main() { y[0] = 1u; }`;

/** Measures a device; takes about a second. */
export async function measureRates(gpu: Gpu): Promise<DeviceRates> {
  const x = gpu.createBuffer("stream", STREAM_BYTES);
  const y = gpu.createBuffer("results", THREADS * 1024 * 4);
  const readBack = ReadBack.create(gpu, "result", 16);
  const time = async (label: string, code: string, buffers: Record<string, GPUBuffer>, counts: {
    groups: number;
    dispatches: number;
  }) => {
    const kernel = await Kernel.create(gpu, { label, code });
    const bound = kernel.bind(buffers);
    return await fastest(gpu, { readBack, y }, (pass) => {
      for (let i = 0; i < counts.dispatches; i++) kernel.dispatch(pass, bound, counts.groups);
    });
  };
  try {
    const once = { groups: GROUP_COUNT, dispatches: 1 };
    let streamMs = Infinity;
    for (const shape of STREAM_SHAPES) {
      const counts = { groups: shape.groupCount, dispatches: 1 };
      streamMs = Math.min(streamMs, await time("stream", streamText(shape), { x, y }, counts));
    }
    const arithmeticMs = await time("arithmetic", ARITHMETIC, { y }, once);
    const oneMs = await time("empty", EMPTY, { y }, { groups: 1, dispatches: 1 });
    const manyMs = await time("empty", EMPTY, { y }, { groups: 1, dispatches: DISPATCH_COUNT });
    const multiplyAdds = THREADS * GROUP_COUNT * TURN_COUNT * 16;
    return {
      streamGigabytesPerSecond: STREAM_BYTES / 1e6 / streamMs,
      gigaMultiplyAddsPerSecond: multiplyAdds / 1e6 / arithmeticMs,
      microsecondsPerDispatch: Math.max(0, manyMs - oneMs) * 1000 / (DISPATCH_COUNT - 1),
      readBackMilliseconds: oneMs,
    };
  } finally {
    readBack.destroy();
    for (const buffer of [x, y]) gpu.destroyBuffer(buffer);
  }
}
