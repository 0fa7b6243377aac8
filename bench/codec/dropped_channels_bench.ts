/**
 * What the channels of K that ThinK drops take of a banded record. The steps of the calibrated
 * profiles follow the energy of queries, as its scores do: the spread of a channel's codes is the
 * root of its score over the calibration's text. Packs are drawn as the calibration says channels
 * are, and coded by the bands of the profile; lattice and token steps are left out.
 *
 *     deno run -A bench/codec/dropped_channels_bench.ts
 *
 * @module
 */

import type { ChannelSpread, SideSpread } from "../../src/calibration/bands.ts";
import { findCalibration } from "../../src/calibration/store.ts";
import { calibratedTables } from "../../src/calibration/tables.ts";
import { bandBits, chooseBand } from "../../src/codec/banded/band.ts";
import { BANDED_PROFILES } from "../../src/codec/banded/settings.ts";
import { type BandedTables, channelBands } from "../../src/codec/banded/tables.ts";
import { KEY, type Side, VALUE } from "../../src/codec/record.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { readModelPlan } from "../../src/model/architectures/registry.ts";
import { calibrationOwner } from "../../src/runtime/fingerprint.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";
import { seededNormals } from "../../tests/support/numeric.ts";

const PACK_COUNT = 32;
const INDEX_BITS = 3;
const RATIOS = [0.1, 0.2, 0.4, 0.6];

/** Bits of a value of a channel: its digits, and its share of a band index. */
function bitsOf(spread: ChannelSpread, step: number, bands: Uint32Array, seed: number) {
  const normals = seededNormals(9 * PACK_COUNT, seed);
  let digitBits = 0;
  for (let pack = 0; pack < PACK_COUNT; pack++) {
    const [centre, ...places] = normals.subarray(9 * pack, 9 * pack + 9);
    const codes = places.map((place) => {
      const value = spread.mean + spread.between * centre + spread.within * place;
      return 128 + Math.min(127, Math.max(-127, Math.round(value / step)));
    });
    digitBits += bandBits(bands[chooseBand(bands, codes)]);
  }
  return { digits: digitBits / (8 * PACK_COUNT), index: INDEX_BITS / 8 };
}

const file = await readGguf(defaultModelPath());
const { shape, layers: plans } = readModelPlan(file);
const { headSize, kvHeadCount } = plans[0].attention.headShape;
const owner = calibrationOwner({ file, shape });
const calibration = await findCalibration(owner);
if (calibration === null) throw new Error("Cannot measure: the default model has a calibration");

for (const name of ["near-lossless", "balanced", "tight"] as const) {
  const profile = BANDED_PROFILES.profile({ name });
  const tables = calibratedTables(calibration, profile);
  const channels = calibration.layers.flatMap((layer, index) =>
    [KEY, VALUE].flatMap((side) => channelsOf(side, layer, tables[index], index))
  );
  const keys = channels.filter(({ side }) => side === KEY);
  const sum = (some: typeof channels) =>
    some.reduce((total, { digits, index }) => total + digits + index, 0);
  const groups = Map.groupBy(keys, ({ head }) => head);
  const parts = RATIOS.map((ratio) => {
    const dropped = [...groups.values()].flatMap((own) =>
      own.toSorted((a, b) => a.score - b.score).slice(0, Math.floor(ratio * headSize))
    );
    const indexBits = dropped.reduce((total, { index }) => total + index, 0);
    return {
      ratio,
      bits_each: sum(dropped) / dropped.length,
      index_share: indexBits / sum(dropped),
      of_keys: sum(dropped) / sum(keys),
      of_both: sum(dropped) / sum(channels),
    };
  });
  console.log(JSON.stringify({ profile: name, key_bits: sum(keys) / keys.length, parts }));
}

function channelsOf(
  side: Side,
  layer: { queryEnergy: Float32Array; normReference: number; key: SideSpread; value: SideSpread },
  tables: BandedTables,
  index: number,
) {
  const spreads = side === KEY ? layer.key : layer.value;
  return Array.from({ length: kvHeadCount * headSize }, (_, channel) => {
    const spread = {
      mean: spreads.mean[channel],
      between: spreads.between[channel],
      within: spreads.within[channel],
    };
    const step = side === KEY
      ? tables.keyStep[channel] * layer.queryEnergy[channel]
      : tables.valueStep[channel] / layer.normReference;
    const bands = channelBands(tables, side, channel);
    const seed = (index * 2 + side) * 4096 + channel;
    const { mean, between, within } = spread;
    return {
      side,
      head: `${index} ${Math.floor(channel / headSize)}`,
      score: mean ** 2 + between ** 2 + within ** 2,
      ...bitsOf(spread, step, bands, seed),
    };
  });
}
