/**
 * Tokens per second that a GPU may reach, from counts of machine code and the facts of devices:
 * a model, right within a factor of two, for comparing kernels before and after a change.
 *
 *     deno run --allow-read bench/machine_code/time_model.ts BEFORE.json AFTER.json
 *
 * A product takes as long as its weights need to be streamed, or as its loads and instructions do
 * one after the other; attention to sealed blocks as its turns at rows of digits; a dispatch waits
 * for the one before it.
 */

import { TEXT_MODELS } from "../../tests/support/kernel_texts.ts";
import type { MachineCode } from "./machine_code.ts";

/** What a device has; from its maker, but for the last three, which are estimates. */
export interface Device {
  name: string;
  /** Multiprocessors, compute units or cores. */
  units: number;
  /** Multiply-adds of f32 of each in a cycle. */
  lanes: number;
  gigahertz: number;
  gigabytesPerSecond: number;
  /** Of a load from memory. */
  latencyUs: number;
  /** From the end of a dispatch to the start of one that needs it. */
  gapUs: number;
  /** Of a turn of decode attention: about twenty exchanges and loads that wait for each other. */
  turnUs: number;
}

/** Devices of the models of time. */
export const DEVICES: readonly Device[] = [
  {
    ...{ name: "RTX 4090", units: 128, lanes: 128, gigahertz: 2.5, gigabytesPerSecond: 1008 },
    ...{ latencyUs: 0.6, gapUs: 2.5, turnUs: 1.1 },
  },
  {
    ...{ name: "RX 7900 XTX", units: 96, lanes: 64, gigahertz: 2.4, gigabytesPerSecond: 960 },
    ...{ latencyUs: 0.65, gapUs: 3, turnUs: 1.4 },
  },
  {
    ...{
      name: "M3 Max, 40 cores",
      units: 40,
      lanes: 128,
      gigahertz: 1.38,
      gigabytesPerSecond: 400,
    },
    ...{ latencyUs: 0.55, gapUs: 5, turnUs: 3.5 },
  },
  {
    ...{ name: "H200", units: 132, lanes: 128, gigahertz: 1.85, gigabytesPerSecond: 4800 },
    ...{ latencyUs: 0.75, gapUs: 2.5, turnUs: 1.4 },
  },
];

/** What a state of the kernels does; the rest follows from their texts. */
interface Kernels {
  /** Instructions for a multiply-add of a slice. */
  instructionsPerMultiplyAdd: number;
  /** Columns that a workgroup of a row's product goes through between two waits for memory. */
  columnsPerStep: number;
  waitsPerStep: number;
  /** Blocks of a split that are gone through one after the other. */
  blocksInTurn: number;
  dispatchesPerToken: (layerCount: number) => number;
}

/** Bytes of a weight in Q4_K. */
const WEIGHT_BYTES = 144 / 256;
/** Shares of the peaks that good kernels reach. */
const STREAM_SHARE = 0.85;
export const ALU_SHARE = 0.7;
/** Workgroups of a row's product that a unit holds. */
const GROUPS_PER_UNIT = 8;
const SLICE_ROWS = 64;
/** Turns of the window and of merging. */
const OTHER_TURNS = 25;

type Model = typeof TEXT_MODELS[string];

/** Outputs and columns of the products of a layer. */
export function productShapes(
  { width, feedForwardWidth, queryHeadCount, kvHeadCount, headSize }: Model,
): number[][] {
  const queryWidth = queryHeadCount * headSize;
  return [
    [queryWidth + 2 * kvHeadCount * headSize, width],
    [width, queryWidth],
    [2 * feedForwardWidth, width],
    [width, feedForwardWidth],
  ];
}

function rowProductUs(device: Device, kernels: Kernels, [outputs, columns]: number[]): number {
  const streamUs = outputs * columns * WEIGHT_BYTES /
    (STREAM_SHARE * device.gigabytesPerSecond * 1000);
  const rounds = Math.ceil(outputs / 32 / (device.units * GROUPS_PER_UNIT));
  const steps = Math.ceil(columns / kernels.columnsPerStep);
  return Math.max(streamUs, rounds * steps * kernels.waitsPerStep * device.latencyUs) + 1;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Tokens per second of one sequence at a depth. */
function decode(device: Device, kernels: Kernels, model: Model, depth: number): number {
  const { layerCount, headSize, vocabSize, width } = model;
  const products = sum(productShapes(model).map((shape) => rowProductUs(device, kernels, shape)));
  const blockCount = Math.max(0, Math.ceil((depth - 191) / 64));
  const turnsPerBlock = 2 * 8 * Math.ceil(headSize / 64);
  const blocks = Math.min(kernels.blocksInTurn, blockCount);
  const attentionUs = (blocks * turnsPerBlock + OTHER_TURNS) * device.turnUs;
  const headUs = rowProductUs(device, kernels, [vocabSize, width]);
  const gapsUs = kernels.dispatchesPerToken(layerCount) * device.gapUs;
  return 1e6 / (layerCount * (products + attentionUs) + headUs + gapsUs);
}

/** Tokens per second of the products of slices. */
function prefill(device: Device, kernels: Kernels, model: Model): number {
  const multiplyAdds = SLICE_ROWS * model.layerCount *
    sum(productShapes(model).map(([outputs, columns]) => outputs * columns));
  const perUs = device.units * device.lanes * device.gigahertz * 1000 * ALU_SHARE;
  const gapsUs = 7 * model.layerCount * device.gapUs;
  return SLICE_ROWS * 1e6 /
    (multiplyAdds * kernels.instructionsPerMultiplyAdd / perUs + gapsUs);
}

/** Instructions for a multiply-add in the loop of a slice's product. */
export function instructionsPerMultiplyAdd(kernels: readonly MachineCode[]): number {
  const slice = kernels.find(({ gpu, kernel }) =>
    gpu === "sm_89" && kernel === "product of a slice, Q4_K"
  );
  if (!slice?.loop) throw new TypeError("Cannot model: there is no loop of a slice's product");
  return slice.loop.instructions / slice.loop.multiplyAdds;
}

/** The table, in Markdown. */
export function timeTable(
  { before, after }: { before: readonly MachineCode[]; after: readonly MachineCode[] },
): string {
  const states: Kernels[] = [
    {
      instructionsPerMultiplyAdd: instructionsPerMultiplyAdd(before),
      ...{ columnsPerStep: 256, waitsPerStep: 2, blocksInTurn: 4 },
      dispatchesPerToken: (layerCount) => 7 * layerCount + 3,
    },
    {
      instructionsPerMultiplyAdd: instructionsPerMultiplyAdd(after),
      ...{ columnsPerStep: 1024, waitsPerStep: 1, blocksInTurn: 1.15 },
      dispatchesPerToken: (layerCount) => 7 * layerCount + 5,
    },
  ];
  const rows = ["8B", "135M"].flatMap((name) =>
    DEVICES.map((device) => {
      const model = TEXT_MODELS[name];
      const pair = (speed: (kernels: Kernels) => number) =>
        states.map((kernels) => Math.round(speed(kernels))).join(" → ");
      const cells = [128, 512, 4096].map((depth) =>
        pair((kernels) => decode(device, kernels, model, depth))
      );
      cells.push(pair((kernels) => prefill(device, kernels, model)));
      return `| ${name}, ${device.name} | ${cells.join(" | ")} |`;
    })
  );
  return [
    "| model, device | decode at 128 | at 512 | at 4,096 | prefill |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

if (import.meta.main) {
  const [before, after] = Deno.args.map((path) => JSON.parse(Deno.readTextFileSync(path)).kernels);
  if (after === undefined) throw new TypeError("Cannot model: name two files of machine code");
  console.log(timeTable({ before, after }));
}
