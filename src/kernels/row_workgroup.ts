/** How many threads read a whole row of logits, in each operation that does. */

import type { AdapterFacts } from "../gpu/gpu.ts";
import { chooseVariant, type Variant } from "./variant.ts";

/** A number of threads. */
export interface RowVariant extends Variant {
  /** A power of two. */
  threadCount(facts: AdapterFacts): number;
}

/** The fastest first. */
export const ROW_VARIANTS: readonly RowVariant[] = [
  {
    name: "64 threads", // barriers between lanes are what costs on a CPU
    supports: ({ isFallback }) => isFallback,
    tuned: [],
    threadCount: () => 64,
  },
  {
    name: "up to 512 threads", // one workgroup should have many loads in flight on a GPU
    supports: () => true,
    tuned: [],
    threadCount: ({ workgroupSizeMax }) => Math.min(512, workgroupSizeMax),
  },
];

/** Threads of a workgroup that reads a whole row of logits; a power of two. */
export function rowWorkgroupSize(operation: string, facts: AdapterFacts): number {
  return chooseVariant(operation, ROW_VARIANTS, { facts, shape: undefined }).threadCount(facts);
}
