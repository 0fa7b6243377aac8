/**
 * Sealing where values lie in host memory: each block is packed, and its values are taken.
 *
 * @module
 */

import { invariant } from "../core/errors.ts";
import type { CommandChain } from "../gpu/command_chain.ts";
import type { PackOp, StepResult } from "../scheduler/step_plan.ts";
import type { HostValues } from "./host_values.ts";
import type { PlacedPack, Sealer } from "./sealer.ts";

/**
 * Packs blocks one after the other, and runs that: their values are on the host then.
 *
 * @param encodePacks Encodes the packing with the sealer.
 */
export function packApart(
  { sealer, values }: { sealer: Sealer; values: HostValues },
  packs: readonly PackOp[],
  { commands, encodePacks }: {
    commands: CommandChain;
    encodePacks: (packs: readonly PlacedPack[]) => void;
  },
): void {
  for (const pack of packs) {
    const parts = sealer.valueParts?.(pack);
    invariant(parts !== undefined, "the sealer says where values lie");
    encodePacks([{ ...pack, valueBases: values.place(pack, parts) }]);
    values.take(commands, pack);
  }
}

/** What measuring gave, with what the records of each block are to take on the device. */
export function paddedResults<T extends Pick<StepResult, "recordWords">>(
  { sealer, values }: { sealer: Sealer; values: HostValues },
  results: T,
): T {
  const recordWords = results.recordWords.map((words, jobIndex) =>
    values.padRecords(words, sealer.valueParts?.({ jobIndex }) ?? [])
  );
  return { ...results, recordWords };
}
