/**
 * WGSL constants of XQuant records, for the kernels that write or read them.
 *
 * @module
 */

import { LEVEL_UNITS, type XquantLayout } from "../../codec/xquant/layout.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { BLOCK_CONSTANTS } from "./block.ts";

/** Heads, bits of codes, and levels in `LEVEL_UNITS`. */
export function xquantConstants(layout: XquantLayout): Record<string, number> {
  const [keys, values] = layout.sides;
  return {
    ...BLOCK_CONSTANTS,
    KV_HEAD_COUNT: layout.kvHeadCount,
    HEAD_SIZE: layout.headSize,
    KEY_BITS: keys.bits,
    VALUE_BITS: values.bits,
    KEY_BASE: keys.base,
    VALUE_BASE: values.base,
    KEY_SLOPE: keys.slope,
    VALUE_SLOPE: values.slope,
    LEVEL_UNITS,
  };
}

/** What records with or without codes bind as `codeStart`; the caller's to destroy. */
export function codeStartBuffer(gpu: Gpu, layout: XquantLayout, hasCodes: boolean): GPUBuffer {
  return gpu.createBufferWith("xquant codes", Uint32Array.of(layout.codeStart(hasCodes) >>> 0));
}
