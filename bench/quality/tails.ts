/**
 * How small codecs are all in, with so many newest tokens raw: a table in Markdown of baselines
 * whose bits follow from their layout, and of profiles by the bits of their sealed blocks.
 *
 *     deno run --allow-read bench/quality/tails.ts REPORTS.json...
 *
 * REPORTS.json is what `packkv eval --json` prints of profiles on the default model, or a record of
 * it in `bench/record/`.
 *
 * @module
 */

import { ALL_IN_TOKENS, allInBytes } from "../../src/evaluation/all_in.ts";
import { BASELINE_NAMES, findBaseline } from "../../src/evaluation/baselines/table.ts";
import { BLOCK_TOKEN_COUNT, windowBlocks } from "../../src/core/shapes.ts";
import type { EvalReport } from "../../src/evaluation/report.ts";
import { reportsOf } from "./plot.ts";

/** Newest tokens that stay raw, as compared. */
export const TAILS = [0, 128, 1024] as const;

/** Heads of the default model, and its layers. */
const MODEL = { layerCount: 30, kvHeadCount: 3, headSize: 64 };
/** Bytes of a token as f16. */
const TOKEN_BYTES = 4 * MODEL.kvHeadCount * MODEL.headSize * MODEL.layerCount;
/** What the calibrated profiles have beside blocks: tables of each layer, and points. */
const PROFILE_TABLE_BYTES = 615_904;

/** What a codec takes. */
export interface TailSize {
  /** Mean of K and V, sinks left out. */
  bits: number;
  sinkTokens: number;
  tableBytes: number;
}

/** Times smaller than f16, all in, at each of the usual lengths. */
export function tailRatios({ bits, sinkTokens, tableBytes }: TailSize, window: number): number[] {
  const windowBlockCount = windowBlocks(window);
  const raw = TOKEN_BYTES * BLOCK_TOKEN_COUNT;
  const packed = raw * bits / 16;
  const facts = {
    blockCount: 1,
    raw,
    packed,
    allocated: packed,
    sinks: sinkTokens * TOKEN_BYTES,
    sinksArePacked: false,
    windowBlockCount,
    window: (windowBlockCount + 1) * raw,
    tables: tableBytes,
    near: null,
  };
  return ALL_IN_TOKENS.map((tokens) => allInBytes(facts, tokens)!.ratio);
}

/** Baselines whose bits follow from their layout, whatever they read. */
export function fixedBaselines(): Map<string, TailSize> {
  const sizes = new Map<string, TailSize>();
  for (const name of BASELINE_NAMES) {
    const { codec, sinkTokenCount } = findBaseline(name, MODEL)!;
    if (codec.start !== undefined || "profile" in codec || "readBackBlock" in codec) continue;
    // Both rotations of each head, as f16.
    const tableBytes = codec.learning ? MODEL.layerCount * MODEL.kvHeadCount * 2 * 64 * 64 * 2 : 0;
    const bits = (codec.bits.k + codec.bits.v) / 2;
    sizes.set(name, { bits, sinkTokens: sinkTokenCount, tableBytes });
  }
  return sizes;
}

/** A profile by its report: what its sealed blocks took with the raw first tokens. */
export function profileSize(
  { bytes, sinks, by_construction }: Pick<EvalReport, "bytes" | "sinks" | "by_construction">,
): TailSize {
  if (by_construction) throw new RangeError("Cannot size a profile by the report of a baseline");
  const bits = 16 * (bytes.packed - sinks.bytes) / bytes.raw;
  return { bits, sinkTokens: sinks.tokens, tableBytes: PROFILE_TABLE_BYTES };
}

if (import.meta.main) {
  const sizes = new Map<string, TailSize>();
  for (const path of Deno.args) {
    for (const report of reportsOf(await Deno.readTextFile(path), path) as EvalReport[]) {
      sizes.set(`${report.codec}, ${report.text}`, profileSize(report));
    }
  }
  const text = (size: TailSize, window: number) =>
    tailRatios(size, window).map((ratio) => ratio.toFixed(1)).join(" / ");
  for (const [name, size] of [...sizes, ...fixedBaselines()]) {
    console.log(`| ${[name, ...TAILS.map((window) => text(size, window))].join(" | ")} |`);
  }
}
