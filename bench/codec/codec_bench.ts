/** The CPU codec on one layer of a block: plain on purpose, timed so that tests stay quick. */

import { PAPER_PROFILE } from "../../src/codec/paper/settings.ts";
import { packPaper } from "../../src/codec/paper/pack.ts";
import { quantisePaper } from "../../src/codec/paper/quantise.ts";
import { repackOrder } from "../../src/codec/repack.ts";
import { unpackPaper } from "../../src/codec/paper/unpack.ts";
import { sampleTile } from "../../tests/support/codec_samples.ts";
import { LAYOUT, RAW_BYTES, SHAPE } from "./workload.ts";

const tile = sampleTile("gaussian", SHAPE, 1);
const block = quantisePaper(SHAPE, tile, PAPER_PROFILE);
const order = repackOrder("none", block, LAYOUT.packSize);
const record = packPaper(LAYOUT, block, order);
console.log(`one layer: ${RAW_BYTES} bytes raw, ${record.byteLength} packed`);

const group = "codec on the CPU, one layer of a block";
Deno.bench("quantisePaper", { group }, () => void quantisePaper(SHAPE, tile, PAPER_PROFILE));
for (const rule of ["median", "greedy"] as const) {
  Deno.bench(`repackOrder ${rule}`, { group }, () => {
    repackOrder(rule, block, LAYOUT.packSize);
  });
}
Deno.bench("packPaper", { group, baseline: true }, () => void packPaper(LAYOUT, block, order));
Deno.bench("unpackPaper", { group }, () => void unpackPaper(LAYOUT, record));
