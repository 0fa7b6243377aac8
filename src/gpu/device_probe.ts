/**
 * What a device does, found by kernels at opening: an adapter may say another thing, or nothing.
 * Metal's says 4 to 64 lanes of every GPU; Vulkan's of some lets each pipeline have another size.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import type { AdapterFacts, Gpu } from "./gpu.ts";
import { Kernel } from "./kernel.ts";
import { readBuffer } from "./read_back.ts";
import {
  ARITHMETIC_INPUTS,
  ARITHMETIC_WORDS,
  arithmeticText,
  LANE_WORDS,
  LANES_GROUP_COUNT,
  lanesText,
  laneValue,
} from "./probe_texts.ts";

/** What the probe finds. */
export type DeviceProbe = Pick<
  AdapterFacts,
  | "subgroupLanes"
  | "hasTeams"
  | "roundsToEven"
  | "halfRounding"
  | "hasF16"
  | "hasDot4"
  | "hasTimestamps"
>;

/** Lanes of the largest workgroup that exchanges values by subgroup. */
const LANE_COUNT_MAX = 32;

/** Lanes of the smallest: an octet. */
const LANE_COUNT_MIN = 8;

/** Teams of a workgroup in which they are probed, as many as attention has at most. */
const TEAM_COUNT = 8;

/** Bytes 0.5, 1.5, 2.5 and -2.5 rounded to even: 0, 2, 2 and -2, 4 bits each. */
const ROUNDED_TO_EVEN = 0xe220;

const HALVES = { "to even": 0x3c023c00, "toward zero": 0x3c013c00 } as const;

/** (2, 127, -1, -128) · (3, -1, 2, 127). */
const DOT = (2 * 3 - 127 - 2 - 128 * 127) >>> 0;

/** Nothing of what a device may have. */
export const NOTHING_PROBED: DeviceProbe = {
  subgroupLanes: 0,
  hasTeams: false,
  roundsToEven: false,
  halfRounding: "other",
  hasF16: false,
  hasDot4: false,
  hasTimestamps: false,
};

/** Runs two or three small kernels and reads what they did. */
export async function probeDevice(gpu: Gpu, webgpu: GPU): Promise<DeviceProbe> {
  const { features } = gpu.device;
  const { wgslLanguageFeatures: languageFeatures } = webgpu as {
    wgslLanguageFeatures?: ReadonlySet<string>; // the types of the runtime do not know it
  };
  const subgroupLanes = features.has("subgroups") ? await probeLanes(gpu) : 0;
  return {
    ...await probeArithmetic(gpu, {
      hasF16: features.has("shader-f16"),
      hasDot4: languageFeatures?.has("packed_4x8_integer_dot_product") ?? false,
    }),
    subgroupLanes,
    hasTeams: subgroupLanes > 0 && await probeTeams(gpu, subgroupLanes),
    hasTimestamps: features.has("timestamp-query") && await probeTimestamps(gpu),
  };
}

/**
 * Lanes of the largest workgroup that is in one subgroup in every pipeline; 0 if there is none.
 *
 * A range of sizes that an adapter names counts as a promise that each pipeline has one of them,
 * unless it begins below an octet: such a range says nothing, and what was measured holds.
 */
async function probeLanes(gpu: Gpu): Promise<number> {
  const { subgroupSizeMin, subgroupSizeMax } = gpu.facts;
  const isPromise = subgroupSizeMin >= LANE_COUNT_MIN && subgroupSizeMin < subgroupSizeMax;
  let laneCount = Math.min(LANE_COUNT_MAX, isPromise ? subgroupSizeMin : LANE_COUNT_MAX);
  // At most twice: what a workgroup of 32 finds its subgroups to be is tried as a workgroup.
  for (let turn = 0; turn < 2; turn++) {
    const { size, isRight } = await tryLanes(gpu, laneCount);
    if (size >= laneCount) return isRight ? laneCount : 0;
    if (size < LANE_COUNT_MIN) return 0;
    laneCount = 2 ** Math.floor(Math.log2(size));
  }
  return 0;
}

async function tryLanes(
  gpu: Gpu,
  laneCount: number,
): Promise<{ size: number; isRight: boolean }> {
  const wordCount = LANES_GROUP_COUNT * laneCount * LANE_WORDS;
  const y = gpu.createBuffer("probe of lanes", wordCount * 4);
  const options = { label: "probe of lanes", code: lanesText(laneCount) };
  const words = await runProbe(gpu, { ...options, groupCount: LANES_GROUP_COUNT, buffers: { y } });
  if (words === null) return { size: 0, isRight: false };
  let size = Infinity;
  let isRight = true;
  for (let at = 0; at < wordCount; at += LANE_WORDS) {
    const index = at / LANE_WORDS;
    const [group, lane] = [Math.floor(index / laneCount), index % laneCount];
    size = Math.min(size, words[at]);
    isRight &&= words[at + 1] === lane && words[at + 2] === octetOf(group, lane) &&
      words[at + 3] === 2 * sumOf(group, laneCount);
  }
  return { size, isRight };
}

/** Whether a larger workgroup is in subgroups by teams of `laneCount`, in order. */
async function probeTeams(gpu: Gpu, laneCount: number): Promise<boolean> {
  const threadCount = laneCount * TEAM_COUNT;
  const y = gpu.createBuffer("probe of teams", LANES_GROUP_COUNT * threadCount * LANE_WORDS * 4);
  const options = { label: "probe of teams", code: lanesText(laneCount, TEAM_COUNT) };
  const words = await runProbe(gpu, { ...options, groupCount: LANES_GROUP_COUNT, buffers: { y } });
  if (words === null) return false;
  for (let index = 0; index < LANES_GROUP_COUNT * threadCount; index++) {
    const [group, thread] = [Math.floor(index / threadCount), index % threadCount];
    const [size, lane, octet, sum] = words.subarray(index * LANE_WORDS);
    const firstThread = thread - thread % laneCount;
    const isRight = size >= laneCount && lane % laneCount === thread % laneCount &&
      octet === octetOf(group, thread) && sum === sumOf(group, laneCount, firstThread);
    if (!isRight) return false;
  }
  return true;
}

function octetOf(group: number, lane: number): number {
  let octet = 0;
  for (let place = 0; place < 8; place++) {
    octet = (Math.imul(octet, 31) + laneValue(group, (lane & ~7) + place)) >>> 0;
  }
  return octet;
}

function sumOf(group: number, laneCount: number, first = 0): number {
  let sum = 0;
  for (let lane = 0; lane < laneCount; lane++) sum += laneValue(group, first + lane);
  return sum;
}

async function probeArithmetic(
  gpu: Gpu,
  has: { hasF16: boolean; hasDot4: boolean },
): Promise<Omit<DeviceProbe, "subgroupLanes" | "hasTeams" | "hasTimestamps">> {
  const x = gpu.createBufferWith("probe of arithmetic", ARITHMETIC_INPUTS);
  const y = gpu.createBuffer("probe of arithmetic", ARITHMETIC_WORDS * 4);
  const options = { label: "probe of arithmetic", code: arithmeticText(has) };
  const words = await runProbe(gpu, { ...options, groupCount: 1, buffers: { x, y } });
  if (words === null) return NOTHING_PROBED;
  const [rounded, halves, half, dot] = words;
  return {
    roundsToEven: rounded === ROUNDED_TO_EVEN,
    halfRounding: halves === HALVES["to even"]
      ? "to even"
      : halves === HALVES["toward zero"]
      ? "toward zero"
      : "other",
    hasF16: half === 2048, // 2049 has a bit too many
    hasDot4: dot === DOT,
  };
}

/** Whether the clock of the device runs, and not backwards. */
async function probeTimestamps(gpu: Gpu): Promise<boolean> {
  const queries = gpu.device.createQuerySet({ type: "timestamp", count: 2 });
  const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
  const results = gpu.createBuffer("probe of time", 16, { usage });
  const encoder = gpu.device.createCommandEncoder();
  const mark = (timestampWrites: GPUComputePassTimestampWrites) =>
    encoder.beginComputePass({ timestampWrites }).end();
  mark({ querySet: queries, beginningOfPassWriteIndex: 0 });
  mark({ querySet: queries, endOfPassWriteIndex: 1 });
  encoder.resolveQuerySet(queries, 0, 2, results, 0);
  gpu.device.queue.submit([encoder.finish()]);
  const [begin, end] = new BigUint64Array(await readBuffer(gpu, results, { sizeBytes: 16 }));
  queries.destroy();
  gpu.destroyBuffer(results);
  return begin > 0n && end >= begin;
}

/** Words of `y` after a run; the buffers are freed; null if the text does not compile. */
async function runProbe(
  gpu: Gpu,
  { label, code, groupCount, buffers }: {
    label: string;
    code: string;
    groupCount: number;
    buffers: { x?: GPUBuffer; y: GPUBuffer };
  },
): Promise<Uint32Array | null> {
  try {
    const kernel = await Kernel.create(gpu, { label, code });
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    kernel.dispatch(pass, kernel.bind(buffers), groupCount);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    return new Uint32Array(await readBuffer(gpu, buffers.y, { sizeBytes: buffers.y.size }));
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return null;
  } finally {
    for (const buffer of Object.values(buffers)) gpu.destroyBuffer(buffer);
  }
}
