import { type HeadShape, rawTileHalf } from "../../codec/raw_tile.ts";
import { rawTileWords } from "../../codec/record.ts";

/** Reference of `shaders/kv_gather/raw.wgsl`: the tile that one store of a gather gives. */
export function kvGatherRawReference(
  shape: HeadShape,
  arena: Uint32Array,
  sources: Uint32Array,
): Uint32Array {
  const tile = new Uint32Array(rawTileWords(shape));
  const from = new Uint16Array(arena.buffer, arena.byteOffset, arena.length * 2);
  const to = new Uint16Array(tile.buffer);
  for (let target = 0; target < sources.length / 2; target++) {
    const [record, place] = sources.subarray(2 * target, 2 * target + 2);
    for (const side of [0, 1] as const) {
      for (let channel = 0; channel < shape.kvHeadCount * shape.headSize; channel++) {
        const half = rawTileHalf(shape, side, channel, place);
        to[rawTileHalf(shape, side, channel, target)] = from[2 * record + half];
      }
    }
  }
  return tile;
}
