import type { Gpu } from "../gpu/gpu.ts";
import { ReadBack } from "../gpu/read_back.ts";
import { fastest } from "../gpu/timing.ts";

/**
 * Milliseconds that a device takes for what is encoded.
 *
 * @param label What it is, by the key of the choice and the name of the way.
 * @param y A buffer that is written.
 */
export type Timer = (
  label: string,
  y: GPUBuffer,
  encode: (pass: GPUComputePassEncoder) => void,
) => Promise<number>;

/** Times by the clock, and takes the fastest of four runs. */
export function deviceTimer(gpu: Gpu): Timer {
  return async (_label, y, encode) => {
    const readBack = ReadBack.create(gpu, "tuned", 16);
    try {
      return await fastest(gpu, { readBack, y }, encode);
    } finally {
      readBack.destroy();
    }
  };
}
