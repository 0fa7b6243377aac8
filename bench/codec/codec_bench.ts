/** The CPU codec on one layer of a block: plain on purpose, timed so that tests stay quick. */

import { PAPER_PROFILE } from "../../src/core/shapes.ts";
import { packRecord } from "../../src/codec/pack.ts";
import { quantiseTile } from "../../src/codec/quantise.ts";
import { repackOrder } from "../../src/codec/repack.ts";
import { unpackRecord } from "../../src/codec/unpack.ts";
import { sampleTile } from "../../tests/support/codec_samples.ts";
import { LAYOUT, RAW_BYTES, SHAPE } from "./workload.ts";

const tile = sampleTile("gaussian", SHAPE, 1);
const block = quantiseTile(SHAPE, tile, PAPER_PROFILE);
const order = repackOrder("none", block, LAYOUT.packSize);
const record = packRecord(LAYOUT, block, order);
console.log(`one layer: ${RAW_BYTES} bytes raw, ${record.byteLength} packed`);

const group = "codec on the CPU, one layer of a block";
Deno.bench("quantiseTile", { group }, () => void quantiseTile(SHAPE, tile, PAPER_PROFILE));
for (const rule of ["median", "greedy"] as const) {
  Deno.bench(`repackOrder ${rule}`, { group }, () => {
    repackOrder(rule, block, LAYOUT.packSize);
  });
}
Deno.bench("packRecord", { group, baseline: true }, () => void packRecord(LAYOUT, block, order));
Deno.bench("unpackRecord", { group }, () => void unpackRecord(LAYOUT, record));
