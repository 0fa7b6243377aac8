/**
 * The codecs of the KV cache on the CPU: exact, plain, and the reference of the GPU. FORMAT.md is
 * the law of the bytes.
 *
 * @module
 */

export * from "./banded/band.ts";
export * from "./banded/check.ts";
export * from "./banded/dropped.ts";
export * from "./banded/codec.ts";
export * from "./banded/layout.ts";
export * from "./banded/levels.ts";
export * from "./banded/pack.ts";
export * from "./banded/portable.ts";
export * from "./banded/quantise.ts";
export * from "./banded/settings.ts";
export * from "./banded/tables.ts";
export * from "./banded/unpack.ts";
export * from "./banded/values.ts";
export * from "./codec.ts";
export * from "./cold/pack_cold.ts";
export * from "./cold/parse_cold.ts";
export type { LayerRecord } from "./cold/pack_rows.ts";
export type { RecordRows, RowHints } from "./cold/record_rows.ts";
export { type LayerTurns, turnOf } from "./cold/turn.ts";
export * from "./deltakv/centres.ts";
export * from "./deltakv/codec.ts";
export * from "./deltakv/describe.ts";
export * from "./deltakv/layout.ts";
export * from "./deltakv/record.ts";
export * from "./deltakv/settings.ts";
export * from "./int8/codec.ts";
export * from "./int8/layout.ts";
export * from "./int8/portable.ts";
export * from "./int8/record.ts";
export * from "./paper/codec.ts";
export * from "./paper/layout.ts";
export * from "./paper/pack.ts";
export * from "./paper/portable.ts";
export * from "./paper/quantise.ts";
export * from "./paper/settings.ts";
export * from "./paper/unpack.ts";
export * from "./paper/values.ts";
export * from "./portable_frame.ts";
export * from "./profile.ts";
export * from "./profile_table.ts";
export * from "./profile_types.ts";
export * from "./quantised.ts";
export * from "./raw/codec.ts";
export * from "./raw/settings.ts";
export * from "./raw_tile.ts";
export * from "./record.ts";
export * from "./registry.ts";
export * from "./repack.ts";
export * from "./scale.ts";
export * from "./settings.ts";
export * from "./xquant/codec.ts";
export * from "./xquant/layout.ts";
export * from "./xquant/record.ts";
export { type CodeBits, SHRINKS, XQUANT_PROFILES, type XquantProfile } from "./xquant/settings.ts";
