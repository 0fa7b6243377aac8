/** Looks at a device by using it for a moment. */

import type { AdapterFacts, Gpu } from "../gpu/gpu.ts";
import { choicesPath, type KeptChoices, readChoices } from "../tuning/kept_choices.ts";
import { openGpu } from "../gpu/open_gpu.ts";
import { findAdapter, type OpenOptions } from "../gpu/webgpu_source.ts";

/** Buffers of this size are asked for. */
const PART_BYTES = 64 * 2 ** 20;

/** As many of them: any GPU that can run a model has room for more than a gibibyte. */
const PART_COUNT = 17;

/** What was found. */
export interface DeviceFindings {
  facts: AdapterFacts;
  /** Bytes of buffers of 64 MiB that it gives; null if that is more than 1 GiB. */
  roomBytes: number | null;
  /** What tuning chose on it, and where that is kept. */
  tuning: { path: string; choices: KeptChoices };
}

/**
 * The adapter that is asked for, not yet opened.
 *
 * @throws {EngineError} `adapter_missing` if there is none, with the reason.
 */
export async function adapterOf(options: OpenOptions): Promise<GPUAdapter> {
  return (await findAdapter(options)).adapter;
}

/** @throws {EngineError} as {@link openGpu} does. */
export async function inspectDevice(options: OpenOptions = {}): Promise<DeviceFindings> {
  const gpu = await openGpu(options);
  try {
    const path = choicesPath(gpu.facts);
    const choices = await readChoices(path, () => {}); // a damaged one is measured again
    return { facts: gpu.facts, roomBytes: await findRoom(gpu), tuning: { path, choices } };
  } finally {
    gpu.close();
  }
}

async function findRoom(gpu: Gpu): Promise<number | null> {
  let count = PART_COUNT;
  while (count > 0 && !await gpu.hasRoomFor(Array(count).fill(PART_BYTES))) count--;
  return count === PART_COUNT ? null : count * PART_BYTES;
}
