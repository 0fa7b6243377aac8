import type { AdapterFacts } from "../gpu/gpu.ts";

/** Threads of a workgroup on a CPU device, where barriers between lanes are what costs. */
const WORKGROUP_SIZE_FALLBACK = 64;

/** On a GPU one workgroup reads a whole row, so it should have many loads in flight. */
const WORKGROUP_SIZE_MAX = 512;

/** Threads of a workgroup that reads a whole row of logits; a power of two. */
export function rowWorkgroupSize(
  { isFallback, workgroupSizeMax }: Pick<AdapterFacts, "isFallback" | "workgroupSizeMax">,
): number {
  return isFallback ? WORKGROUP_SIZE_FALLBACK : Math.min(WORKGROUP_SIZE_MAX, workgroupSizeMax);
}
