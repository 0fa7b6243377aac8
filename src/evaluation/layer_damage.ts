/**
 * What packing one layer's K or V alone does to the model, for every layer that sees everything:
 * what steps by layer follow. One run of the exact cache for each, with one side of one layer
 * packed and read back.
 *
 * @module
 */

import type { Calibration } from "../calibration/calibration.ts";
import { calibratedTables } from "../calibration/tables.ts";
import { quantiseBanded } from "../codec/banded/quantise.ts";
import type { BandedTables } from "../codec/banded/tables.ts";
import { packedValues } from "../codec/banded/values.ts";
import { KEY, type Side, VALUE } from "../codec/record.ts";
import { codecProfile, needsCalibration } from "../codec/profile.ts";
import { invariant } from "../core/errors.ts";
import type { LoadedModel } from "../runtime/load_model.ts";
import type { BaselineSide, BlockOrigin } from "./baselines/baseline.ts";
import type { EvalCodec } from "./codecs.ts";
import { type EvalOptions, evaluate } from "./eval.ts";

/** Steps that are tried: coarse enough that layers differ. */
const KEY_STEP = 2;
const VALUE_STEP = 1.8;
/** Tokens of the text that are run, and the first whose prediction is compared. */
const TOKEN_COUNT = 1280;
const FROM = 256;

/**
 * Measures the damages of all layers.
 *
 * @param ids Tokens of the text; the first 1,281 are used, or all if they are fewer.
 * @param options `stateFolder` keeps what is done, so that a cut run can go on.
 * @returns The calibration with damages: mean KL of the next-token distribution, in nats.
 */
export async function measureDamage(
  model: LoadedModel,
  source: { calibration: Calibration; ids: readonly number[] },
  options: EvalOptions,
): Promise<Calibration> {
  const { calibration, ids } = source;
  const layers = calibration.layers.map(({ damage: _, ...layer }) => layer);
  // Even steps, over heads too, so that a layer's damage is that of its place.
  const even = {
    ...calibration,
    layers: layers.map((layer) => ({ ...layer, recall: layer.recall.map(() => 0) })),
  };
  const factors = layers.map(() => ({ key: 1, value: 1 }));
  const settings = { keyStep: KEY_STEP, valueStep: VALUE_STEP, layerFactors: factors };
  const profile = codecProfile({ name: "balanced", ...settings });
  invariant(needsCalibration(profile), "the profile is a calibrated one");
  const tables = calibratedTables(even, profile);
  // Of the others, such as see a window alone, it is not measured: their steps are the profile's.
  const sealed = model.plan.layers.flatMap(({ attention }, layer) =>
    attention.window === null && attention.keyValueLayer === layer ? [layer] : []
  );
  const codecs = sealed.flatMap((layer) => [KEY, VALUE].map((side) => probe(tables, layer, side)));
  const tokenCount = Math.min(TOKEN_COUNT, ids.length - 1, model.shape.contextLengthTrained);
  const from = Math.min(FROM, Math.floor(tokenCount / 2));
  const texts = [{ name: "calibration", ids }];
  const reports = await evaluate(model, { texts, codecs, contexts: [tokenCount], from }, options);
  const damages = reports.map(({ kl_mean }) => kl_mean);
  return {
    ...calibration,
    layers: layers.map((layer, index) => {
      const place = sealed.indexOf(index);
      if (place === -1) return { ...layer, damage: { key: 0, value: 0 } };
      return { ...layer, damage: { key: damages[2 * place], value: damages[2 * place + 1] } };
    }),
  };
}

/** One side of one layer packed, all else raw. */
function probe(tables: readonly BandedTables[], layer: number, side: Side): EvalCodec {
  const name = `${side === KEY ? "K" : "V"} of layer ${layer}`;
  const readBack = (own: Side) => (source: BaselineSide, origin?: BlockOrigin) => {
    if (own !== side || origin?.layer !== layer) return;
    readBackSide(tables[layer], side, { ...source, ...origin });
  };
  const codec = {
    description: `alone, steps ${KEY_STEP} and ${VALUE_STEP}`,
    bits: { k: 16, v: 16 },
    codeBits: { k: 16, v: 16 },
    readBackKeys: readBack(KEY),
    readBackValues: readBack(VALUE),
  };
  return { name, profile: null, baseline: { name, codec, sinkTokenCount: 4 } };
}

function readBackSide(tables: BandedTables, side: Side, source: BaselineSide & BlockOrigin): void {
  const { shape, tile, firstToken, values } = source;
  const block = quantiseBanded(shape, tile, { tables, firstToken });
  const channelCount = shape.kvHeadCount * shape.headSize;
  const packed = packedValues(tables, block, side).subarray(0, block.tokenCount * channelCount);
  values.set(packed, firstToken * channelCount);
}
