/**
 * How DeltaKV keeps what is left of tokens.
 *
 * @module
 */

import type { PerSide } from "../baseline.ts";
import type { Centres } from "./centres.ts";
import type { TokenBlock } from "./tokens.ts";

/** A way to keep tokens, which counts what it takes. */
export interface DeltaKvForm {
  /** In words. */
  readonly description: string;
  /** Bits per element with all that is kept; what is known before the first block. */
  readonly bits: PerSide;
  /** Bits of codes alone. */
  readonly codeBits: PerSide;
  /** Share of blocks that are kept as if there were no centres. */
  readonly fallbackShare: number;
  /** Begins to count again. */
  start(): void;
  /** Replaces tokens by what is read, and adds their centres. */
  readBack(block: TokenBlock, centres: Centres, layer: number): void;
}
