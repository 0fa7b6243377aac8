/**
 * Tokens per second that the products of slices may reach by how slices are cut, from counts of
 * machine code and the facts of devices: a model, as `time_model.ts` is.
 *
 *     deno run --allow-read bench/machine_code/slice_model.ts RECORD.json
 *
 * Workgroups of a product are spread over a device's units in rounds; one that is alone on a unit
 * has all of its lanes. Small tiles make more workgroups and expand each weight more often.
 */

import { TEXT_MODELS } from "../../tests/support/kernel_texts.ts";
import type { MachineCode } from "./machine_code.ts";
import { ALU_SHARE, type Device, DEVICES, productShapes } from "./time_model.ts";

/** Outputs of a tile. */
const TILE_OUTPUTS = 64;
/** Turns of the loop that multiplies in one turn of that around it. */
const TURNS = 2;

/** Kernels of a record by the rows of their tiles. */
const KERNELS = {
  64: "product of a slice, Q4_K",
  32: "product of a slice by 32 rows, Q4_K",
  16: "product of a slice by 16 rows, Q4_K",
} as const;

type TileRows = keyof typeof KERNELS;

/**
 * Instructions of six of the eight parts of a block, which other threads expand: a thread skips
 * them, the count of the loop has them. By compiling the texts without them, on 30 November 2026.
 */
const SKIPPED: Readonly<Record<TileRows, number>> = { 64: 129, 32: 108, 16: 109 };

/** Instructions for a multiply-add, those that expand weights and load x among them. */
export function tileInstructions(
  kernels: readonly MachineCode[],
): Readonly<Record<TileRows, number>> {
  const of = (rows: TileRows) => {
    const found = kernels.find(({ gpu, kernel }) => gpu === "sm_89" && kernel === KERNELS[rows]);
    if (!found?.loop || found.around === undefined) {
      throw new TypeError(`Cannot model: there is no loop of the ${KERNELS[rows]}`);
    }
    const { loop, around } = found;
    const taken = TURNS * loop.instructions + around - SKIPPED[rows];
    return taken / (TURNS * loop.multiplyAdds);
  };
  return { 64: of(64), 32: of(32), 16: of(16) };
}

/** How a slice is cut. */
interface Cut {
  sliceRows: number;
  tileRows: TileRows;
}

function productUs(
  { units, lanes, gigahertz }: Device,
  [outputs, columns]: readonly number[],
  { sliceRows, tileRows, instructions }: Cut & { instructions: number },
): number {
  const workgroups = Math.ceil(outputs / TILE_OUTPUTS) * Math.ceil(sliceRows / tileRows);
  const rounds = Math.ceil(workgroups / units);
  const multiplyAdds = rounds * TILE_OUTPUTS * tileRows * columns;
  return multiplyAdds * instructions / (lanes * gigahertz * 1000 * ALU_SHARE);
}

/** Tokens per second of all products, each cut the best of these ways. */
function speed(
  device: Device,
  model: string,
  { cuts, instructions }: {
    cuts: readonly Cut[];
    instructions: Readonly<Record<TileRows, number>>;
  },
): number {
  const { layerCount } = TEXT_MODELS[model];
  const usOfToken = productShapes(TEXT_MODELS[model]).map((shape) =>
    Math.min(...cuts.map((cut) => {
      const options = { ...cut, instructions: instructions[cut.tileRows] };
      return productUs(device, shape, options) / cut.sliceRows;
    }))
  );
  return 1e6 / (layerCount * usOfToken.reduce((sum, us) => sum + us));
}

const COLUMNS: Readonly<Record<string, readonly Cut[]>> = {
  "64 rows": [{ sliceRows: 64, tileRows: 64 }],
  "the best of 64, 32 and 16": ([64, 32, 16] as const).map((tileRows) => {
    return { sliceRows: 64, tileRows };
  }),
  "64, slices of 128": [{ sliceRows: 128, tileRows: 64 }],
  "64, slices of 256": [{ sliceRows: 256, tileRows: 64 }],
};

/** The table, in Markdown. */
export function sliceTable(kernels: readonly MachineCode[]): string {
  const instructions = tileInstructions(kernels);
  const rows = ["8B", "135M"].flatMap((model) =>
    DEVICES.map((device) => {
      const cells = Object.values(COLUMNS).map((cuts) =>
        Math.round(speed(device, model, { cuts, instructions }))
      );
      return `| ${model}, ${device.name} | ${cells.join(" | ")} |`;
    })
  );
  const heads = Object.keys(COLUMNS);
  return [
    `| model, device | ${heads.join(" | ")} |`,
    `| --- |${heads.map(() => " --- |").join("")}`,
    ...rows,
  ].join("\n");
}

if (import.meta.main) {
  const [path] = Deno.args;
  if (path === undefined) throw new TypeError("Cannot model: name a file of machine code");
  const { kernels } = JSON.parse(Deno.readTextFileSync(path));
  console.log(tileInstructions(kernels));
  console.log(sliceTable(kernels));
}
