import type { HeadShape } from "../../codec/raw_tile.ts";
import type { BaselineCodec, BaselineSide, BlockOrigin } from "./baseline.ts";
import { groupsOfChannels, readBackAsymmetric, SCALE_AND_MINIMUM_BITS } from "./groups.ts";
import { OscarRotations } from "./oscar_rotations.ts";

const BITS = 2;
/** Most channels of a head that share a scale and a minimum. */
const GROUP_SIZE_MAX = 128;
/** Magnitudes of a token's head that stay below the bound it is clipped to, as published. */
const KEY_CLIP = 0.96;
const VALUE_CLIP = 0.92;

/**
 * OSCAR, arXiv:2605.17757, as we read it and the code beside it (FutureMLS-Lab/OSCAR,
 * `compute_kv_rotation.py` and `oscar_rotation_clip_int2_kv.py`): a token's head `x` is turned to
 * `y = x R`, clipped to the magnitude that a share of its channels stays below, and rounded to
 * 2-bit codes with a 16-bit scale and minimum for 128 channels, or for the head if it has fewer.
 * {@link OscarRotations} has `R`, one for each head as its later versions have. The original keeps
 * the first 64 tokens raw and the newest 256.
 */
export function oscar(shape: HeadShape): BaselineCodec {
  const { headSize } = shape;
  const groupSize = groupSizeOf(headSize);
  const rotations = new OscarRotations(shape, groupSize);
  const bits = BITS + SCALE_AND_MINIMUM_BITS / groupSize;
  const readBack =
    (own: "keys" | "values", clip: number) => (side: BaselineSide, origin?: BlockOrigin) => {
      const turns = rotations.of(origin?.layer ?? 0)[own];
      turn(side, turns, { isBack: false });
      for (const head of groupsOfChannels(side, headSize)) {
        clipTo(side.values.subarray(head.start, head.start + headSize), clip);
      }
      for (const group of groupsOfChannels(side, groupSize)) {
        readBackAsymmetric(side.values, group, BITS);
      }
      turn(side, turns, { isBack: true });
    };
  return {
    description: `OSCAR: ${BITS}-bit codes behind rotations of each head by the covariance of ` +
      `queries and of attended values (measured on the calibration text), clipped to ` +
      `${KEY_CLIP} and ${VALUE_CLIP}, scale and minimum for ${groupSize} channels`,
    bits: { k: bits, v: bits },
    codeBits: { k: BITS, v: BITS },
    get tableBytes() {
      return rotations.sizeBytes;
    },
    learning: rotations,
    readBackKeys: readBack("keys", KEY_CLIP),
    readBackValues: readBack("values", VALUE_CLIP),
  };
}

/** The most channels up to 128 that divide a head evenly. */
function groupSizeOf(headSize: number): number {
  let size = Math.min(GROUP_SIZE_MAX, headSize);
  while (headSize % size !== 0) size--;
  return size;
}

/** Multiplies each token's heads by their rotations, or by the inverses. */
function turn(
  { values, shape, firstToken }: BaselineSide,
  rotations: readonly Float32Array[],
  { isBack }: { isBack: boolean },
): void {
  const { kvHeadCount, headSize } = shape;
  const before = new Float64Array(headSize);
  for (let at = firstToken * kvHeadCount * headSize; at < values.length; at += headSize) {
    const rotation = rotations[at / headSize % kvHeadCount];
    before.set(values.subarray(at, at + headSize));
    for (let to = 0; to < headSize; to++) {
      let sum = 0;
      for (let from = 0; from < headSize; from++) {
        sum += before[from] * rotation[isBack ? to * headSize + from : from * headSize + to];
      }
      values[at + to] = sum;
    }
  }
}

/** Bounds values by the magnitude that a share of them stays below. */
function clipTo(values: Float32Array, share: number): void {
  const bound = values.map(Math.abs).sort()[Math.floor(share * values.length)];
  for (let i = 0; i < values.length; i++) {
    values[i] = Math.min(Math.max(values[i], -bound), bound);
  }
}
