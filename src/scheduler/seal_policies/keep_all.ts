import type { SealPolicy } from "./policy.ts";

/** Every block is kept. */
export const KEEP_ALL: SealPolicy = { id: null, keeps: () => true };
