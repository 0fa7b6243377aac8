/**
 * The codec of the KV cache on the CPU: exact, plain, and the reference of the GPU. FORMAT.md is
 * the law of the bytes.
 *
 * @module
 */

export type {
  BandedProfile,
  CodecProfile,
  LayerFactors,
  PaperProfile,
  RepackRule,
} from "../core/shapes.ts";
export * from "./banded/band.ts";
export * from "./banded/check.ts";
export * from "./banded/layout.ts";
export * from "./banded/levels.ts";
export * from "./banded/pack.ts";
export * from "./banded/portable.ts";
export * from "./banded/quantise.ts";
export * from "./banded/tables.ts";
export * from "./banded/unpack.ts";
export * from "./record.ts";
export * from "./paper/layout.ts";
export * from "./paper/pack.ts";
export * from "./paper/portable.ts";
export * from "./portable_frame.ts";
export * from "./profile.ts";
export * from "./paper/quantise.ts";
export * from "./quantised.ts";
export * from "./raw_tile.ts";
export * from "./repack.ts";
export * from "./paper/unpack.ts";
