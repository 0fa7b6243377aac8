import type { AnyCodec } from "../../codec/registry.ts";
import { codecProfile, needsCalibration } from "../../codec/profile.ts";
import type { CodecProfile, ProfileOptions } from "../../codec/profile_types.ts";
import type { HeadShape } from "../../codec/raw_tile.ts";
import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { BaselineBlock, RecordsCodec } from "./baseline.ts";
import { fittedLine, groupsOfTokens, SCALE_AND_MINIMUM_BITS } from "./groups.ts";

/** What a layer reads of a block. */
interface ReadBlock {
  layer: number;
  keys: Float32Array;
  values: Float32Array;
}

/**
 * Records of a profile, of which odd layers have no codes: they read those of the layer before by a
 * minimum and a step for each channel of a block, f16 both, the line of least squared error. No
 * steps of theirs read these codes with less; the record of the layer before is as it always is.
 */
export function sharedRecords(profile: ProfileOptions, shape: HeadShape): RecordsCodec {
  const settings = codecProfile(profile);
  let [bitCount, valueCount, codeBitCount] = [0, 0, 0];
  let before: ReadBlock | null = null;
  const perSide = (count: number) => {
    const bits = valueCount === 0 ? 0 : count / valueCount;
    return { k: bits, v: bits };
  };
  return {
    description: `${profile.name}: odd layers read the codes of the layer before, minimum and ` +
      "step for 64 tokens of a channel by least squares; both sides counted together",
    profile: settings,
    sinkTokenCount: sinkCountOf(settings),
    get bits() {
      return perSide(bitCount);
    },
    get codeBits() {
      return perSide(codeBitCount);
    },
    start() {
      [bitCount, valueCount, codeBitCount] = [0, 0, 0];
      before = null;
    },
    readBackBlock(block, { codec, tile }) {
      const { layer, firstToken, keys, values } = block;
      const own = keys.length + values.length - 2 * firstToken * shape.kvHeadCount * shape.headSize;
      valueCount += own;
      const shared = layer % 2 === 1 && before?.layer === layer - 1 ? before : null;
      if (shared === null) {
        const words = readRecord(codec, { block, tile });
        bitCount += 32 * words - 32 * firstToken * shape.kvHeadCount * shape.headSize;
        codeBitCount += 32 * (words - codec.fixedWords);
      } else {
        bitCount += fitSide({ ...block, values: keys }, shared.keys) +
          fitSide(block, shared.values);
      }
      before = { layer, keys: keys.slice(), values: values.slice() };
    },
  };
}

function sinkCountOf(profile: CodecProfile): number {
  return needsCalibration(profile) ? profile.sinkCount : 0;
}

/** Replaces a block by what its record stands for; how many words that has. */
function readRecord(
  codec: AnyCodec,
  { block, tile }: { block: BaselineBlock; tile: Uint32Array },
): number {
  const { layer, blockIndex, firstToken, keys, values, shape } = block;
  const record = codec.pack(tile, { layer, blockIndex });
  const read = codec.unpack(record, { layer, blockIndex });
  // Sinks are the last places of a record; they are as they were.
  const from = firstToken * shape.kvHeadCount * shape.headSize;
  keys.set(Float32Array.from(read.keys).subarray(0, keys.length - from), from);
  values.set(Float32Array.from(read.values).subarray(0, values.length - from), from);
  return record.length;
}

/** Replaces one side by lines through what another layer reads; the bits of these. */
function fitSide(
  side: Pick<BaselineBlock, "shape" | "values" | "firstToken">,
  before: Float32Array,
): number {
  const groups = groupsOfTokens(side, BLOCK_TOKEN_COUNT);
  for (const group of groups) {
    const { start, stride, count } = group;
    const points = Array.from({ length: count }, (_, i) => before[start + i * stride]);
    const line = fittedLine(side.values, group, points);
    points.forEach((point, i) => {
      side.values[start + i * stride] = line.minimum + point * line.scale;
    });
  }
  return groups.length * SCALE_AND_MINIMUM_BITS;
}
