/** The cold form of a block on one core: all layers of the default model, seeded values. */

import { packCold } from "../../src/codec/cold/pack_cold.ts";
import { parseCold } from "../../src/codec/cold/parse_cold.ts";
import { BandedLayout } from "../../src/codec/banded/layout.ts";
import { packBanded } from "../../src/codec/banded/pack.ts";
import { quantiseBanded } from "../../src/codec/banded/quantise.ts";
import { bandedTables } from "../../src/codec/banded/tables.ts";
import { bandsOf } from "../../src/calibration/bands.ts";
import { BandedRows } from "../../src/codec/banded/rows.ts";
import { rawTileFrom } from "../../src/codec/raw_tile.ts";
import { seededNormals } from "../../tests/support/numeric.ts";
import { SHAPE, STORE_COUNT } from "./workload.ts";

const layout = new BandedLayout({ ...SHAPE, sinkCount: 4 });
const layers = Array.from({ length: STORE_COUNT }, (_, layer) => layer);
/** Of values with a deviation of 1: packs take about 2.3 bits a code, near those of `balanced`. */
const STEP = 1.2;
const bands = bandsOf({ mean: 0, between: 0.1, within: 1 }, STEP);
const channelCount = SHAPE.kvHeadCount * SHAPE.headSize;
const table = bandedTables({
  keyStep: new Float32Array(channelCount).fill(STEP),
  valueStep: new Float32Array(channelCount).fill(STEP),
  normReference: 0.8,
  bands: Uint32Array.from({ length: 2 * channelCount * bands.length }, (_, at) => {
    return bands[at % bands.length];
  }),
});
const records = layers.map((layer) => {
  const [keys, values] = [1, 2].map((side) => seededNormals(64 * channelCount, 2 * layer + side));
  const tile = rawTileFrom(SHAPE, keys, values);
  const block = quantiseBanded(SHAPE, tile, { tables: table, firstToken: 0 });
  const words = packBanded(layout, { block, tables: table }, new Uint32Array());
  return { layer, words };
});
const rows = new BandedRows(layout, layers.map(() => table));
const cold = packCold(rows, records);
const bytes = records.reduce((sum, { words }) => sum + words.byteLength, 0);
const megabytes = (bytes / 1e6).toFixed(3);
console.log(
  `a block: ${bytes} bytes packed, ${cold.length} cold; MB/s: ${megabytes} by its seconds`,
);

const group = "cold form of a block";
Deno.bench("packCold", { group, baseline: true }, () => void packCold(rows, records));
Deno.bench("parseCold", { group }, () => void parseCold(rows, layers, cold));
