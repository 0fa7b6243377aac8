/**
 * The codec of the KV cache on the CPU: exact, plain, and the reference of the GPU. FORMAT.md is
 * the law of the bytes.
 *
 * @module
 */

export type { CodecProfile, RepackRule } from "../core/shapes.ts";
export * from "./layout.ts";
export * from "./pack.ts";
export * from "./portable.ts";
export * from "./profile.ts";
export * from "./quantise.ts";
export * from "./raw_tile.ts";
export * from "./repack.ts";
export * from "./unpack.ts";
