/**
 * The baselines there are, by name.
 *
 * @module
 */

import type { ProfileOptions } from "../../codec/profile_types.ts";
import type { HeadShape } from "../../codec/raw_tile.ts";
import type { Baseline, BaselineCodec } from "./baseline.ts";
import { deltakv } from "./deltakv/deltakv.ts";
import { readDeltaKvSettings } from "./deltakv/settings.ts";
import { kivi } from "./kivi.ts";
import { kvcomp } from "./kvcomp.ts";
import { llamaLargest } from "./llama_largest.ts";
import { LLAMA_Q8_0 } from "./llama_q8_0.ts";
import { oscar } from "./oscar.ts";
import { rotatedAsLlama } from "./rotation.ts";
import { sharedRecords } from "./shared_records.ts";
import { tokenHeadInteger } from "./token_head_integer.ts";
import { turbo } from "./turbo.ts";
import { varianceNormalised } from "./variance_normalised.ts";
import { xquant } from "./xquant.ts";

/** Added to a baseline's name: the first tokens stay raw. */
export const SINKS_SUFFIX = "+sinks";
/** As many as ours keeps by default. */
const SINK_TOKEN_COUNT = 4;

const CODECS: Readonly<Record<string, (shape: HeadShape) => BaselineCodec>> = {
  q8_0: (shape) => rotatedAsLlama(LLAMA_Q8_0, shape),
  q5_0: (shape) => rotatedAsLlama(llamaLargest(5), shape),
  "q5_0-q4_0": (shape) => rotatedAsLlama(llamaMixed(), shape),
  q4_0: (shape) => rotatedAsLlama(llamaLargest(4), shape),
  "q8_0-unrotated": () => LLAMA_Q8_0,
  "q4_0-unrotated": () => llamaLargest(4),
  kivi4: () => kivi(4),
  kivi2: () => kivi(2),
  kvcomp: (shape) => kvcomp(shape),
  xquant2: (shape) => xquant(2, shape),
  xquant1: (shape) => xquant(1, shape),
  "xquant2-fitted": (shape) => xquant(2, shape, true),
  "xquant4-fitted": (shape) => xquant(4, shape, true),
  turbo4: (shape) => turbo(4, shape),
  turbo3: (shape) => turbo(3, shape),
  "kvarn-k4v2": (shape) => varianceNormalised({ k: 4, v: 2 }, shape),
  kvarn3: (shape) => varianceNormalised({ k: 3, v: 3 }, shape),
  kvarn2: (shape) => varianceNormalised({ k: 2, v: 2 }, shape),
  oscar: (shape) => oscar(shape),
  int4: (shape) => tokenHeadInteger(4, shape),
  int3: (shape) => tokenHeadInteger(3, shape),
};

/** `--cache-type-k q5_0 --cache-type-v q4_0`. */
function llamaMixed(): BaselineCodec {
  const [keys, values] = [llamaLargest(5), llamaLargest(4)];
  return {
    description: "llama.cpp q5_0 for K, q4_0 for V",
    bits: { k: keys.bits.k, v: values.bits.v },
    codeBits: { k: keys.codeBits.k, v: values.codeBits.v },
    readBackKeys: keys.readBackKeys,
    readBackValues: values.readBackValues,
  };
}

/** Centres of the whole text, as published; has settings, and raw first tokens of its own. */
const DELTAKV = "deltakv-global";

/** Records of ours whose odd layers read the codes of the layer before; first tokens stay raw. */
const SHARED_RECORDS: Readonly<Record<string, ProfileOptions>> = {
  "balanced-xquant": { name: "balanced" },
  "tight-xquant": { name: "tight" },
};

/** All names, most of them without and with raw first tokens. */
export const BASELINE_NAMES: readonly string[] = [
  ...Object.keys(CODECS).flatMap((name) => [name, `${name}${SINKS_SUFFIX}`]),
  ...Object.keys(SHARED_RECORDS),
  DELTAKV,
];

/**
 * Whether a text is the name of a baseline, or of one that has settings, with some.
 *
 * @throws {RangeError} naming a setting that is wrong.
 */
export function namesBaseline(text: string): boolean {
  if (!text.startsWith(`${DELTAKV}:`)) return BASELINE_NAMES.includes(text);
  readDeltaKvSettings(text);
  return true;
}

/**
 * The baseline of a name in {@link BASELINE_NAMES} for a model's heads, with settings where it has
 * some; null if there is none.
 *
 * @throws {RangeError} naming a setting that is wrong.
 */
export function findBaseline(name: string, shape: HeadShape): Baseline | null {
  if (name === DELTAKV || name.startsWith(`${DELTAKV}:`)) {
    const codec = deltakv(readDeltaKvSettings(name), shape);
    return { name, codec, sinkTokenCount: codec.sinkTokenCount };
  }
  if (Object.hasOwn(SHARED_RECORDS, name)) {
    const codec = sharedRecords(SHARED_RECORDS[name], shape);
    return { name, codec, sinkTokenCount: codec.sinkTokenCount };
  }
  const hasSinks = name.endsWith(SINKS_SUFFIX);
  const codecName = hasSinks ? name.slice(0, -SINKS_SUFFIX.length) : name;
  if (!Object.hasOwn(CODECS, codecName)) return null;
  const codec = CODECS[codecName](shape);
  return { name, codec, sinkTokenCount: hasSinks ? SINK_TOKEN_COUNT : 0 };
}
