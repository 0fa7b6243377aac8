/**
 * DeltaKV records: packing, reading, and the checks on one that comes from outside. FORMAT.md
 * sections 11.3 and 11.4.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../core/shapes.ts";
import type { BlockValues } from "../codec.ts";
import { packPaper } from "../paper/pack.ts";
import { dequantise } from "../paper/quantise.ts";
import { checkPaper, unpackPaper } from "../paper/unpack.ts";
import type { QuantisedBlock, QuantisedSide } from "../quantised.ts";
import { KEY, type Side, VALUE } from "../record.ts";
import { type DescribedBlock, sideCentres } from "./describe.ts";
import type { DeltaKvLayout } from "./layout.ts";

/** The record of a described block. */
export function packDeltaKv(
  layout: DeltaKvLayout,
  { head, block, order }: DescribedBlock,
): Uint32Array {
  const body = packPaper(layout.paper, block, order);
  const record = new Uint32Array(head.length + body.length);
  record.set(head);
  record.set(body, head.length);
  return record;
}

/**
 * The codes and parameters of a record that is known to be well formed, tokens in their order:
 * those that profile `paper` has of the block.
 *
 * @param turns Of the layer: `turnWords`.
 */
export function unpackDeltaKv(
  layout: DeltaKvLayout,
  record: Uint32Array,
  turns: Uint32Array,
): QuantisedBlock {
  const hasTable = layout.hasTable(record);
  const packed = unpackPaper(layout.paper, record.subarray(layout.headWords(hasTable)));
  if (!hasTable) return packed;
  const ordered = (side: Side): QuantisedSide => {
    const { codes, params } = packed.sides[side];
    const own = { codes: new Uint8Array(codes.length), params: new Uint32Array(params.length) };
    layout.order.forEach((token, place) => own.params[token] = params[place]);
    for (let at = 0; at < codes.length; at++) {
      const place = at % BLOCK_TOKEN_COUNT;
      own.codes[at - place + layout.order[place]] = codes[at];
    }
    return own;
  };
  const sides = [ordered(KEY), ordered(VALUE)] as const;
  const centres = sideCentres(layout, { sides }, turns);
  const nearest = Array.from(
    { length: BLOCK_TOKEN_COUNT },
    (_, token) => centresOf(layout, record, token),
  );
  for (const side of [KEY, VALUE]) {
    const codeCount = 2 ** layout.paper.bits(side);
    const { codes } = sides[side];
    for (let at = 0; at < codes.length; at++) {
      const token = at % BLOCK_TOKEN_COUNT;
      const channel = Math.floor(at / BLOCK_TOKEN_COUNT);
      const section = side * layout.kvHeadCount + Math.floor(channel / layout.headSize);
      const isDescribed = (record[section >> 5] >>> (section & 31) & 1) === 1;
      if (!isDescribed || layout.isCentre(token)) continue;
      const said = centres[side].code(channel, token, nearest[token]);
      codes[at] = (codes[at] + said - codeCount / 2) & (codeCount - 1);
    }
  }
  return { tokenCount: packed.tokenCount, sides };
}

/** The values of 64 tokens in their order, exact: f64 `[64][kvHeadCount * headSize]` each. */
export function deltaKvValues(
  layout: DeltaKvLayout,
  record: Uint32Array,
  turns: Uint32Array,
): BlockValues {
  const { sides } = unpackDeltaKv(layout, record, turns);
  const channelCount = layout.kvHeadCount * layout.headSize;
  const read = ({ codes, params }: QuantisedSide) =>
    Float64Array.from({ length: BLOCK_TOKEN_COUNT * channelCount }, (_, i) => {
      const token = Math.floor(i / channelCount);
      return dequantise(codes[(i % channelCount) * BLOCK_TOKEN_COUNT + token], params[token]);
    });
  return { keys: read(sides[KEY]), values: read(sides[VALUE]) };
}

/**
 * Checks that a record is what a conforming packer could have written.
 *
 * @throws {RangeError} naming what is wrong.
 */
export function checkDeltaKv(layout: DeltaKvLayout, record: Uint32Array): void {
  if (record.length < layout.recordWordsLimits.min) refuse(`it has ${record.length} words only`);
  const { sectionCount } = layout.paper;
  const hasTable = layout.hasTable(record);
  const headWords = layout.headWords(hasTable);
  const head = record.subarray(0, headWords);
  if (sectionCount % 32 > 0 && head[sectionCount >> 5] >>> (sectionCount & 31) !== 0) {
    refuse("it describes sections that it does not have");
  }
  const endWord = hasTable ? layout.tableWord(layout.centreCount) : layout.tableWord(0);
  if (head.subarray(endWord).some((word) => word !== 0)) refuse("its padding is not zero");
  for (let token = 0; hasTable && token < BLOCK_TOKEN_COUNT; token++) {
    const count = centresOf(layout, record, token).length;
    const wanted = layout.isCentre(token) ? 0 : layout.neighbourCount;
    if (count !== wanted) refuse(`token ${token} has ${count} centres; wanted ${wanted}`);
  }
  checkPaper(layout.paper, record.subarray(headWords), BLOCK_TOKEN_COUNT);
}

/** The centres that a token of a record with a table is described by, ascending. */
function centresOf(layout: DeltaKvLayout, record: Uint32Array, token: number): number[] {
  return Array.from({ length: layout.centreCount }, (_, centre) => centre).filter((centre) =>
    (record[layout.tableWord(centre) + (token >> 5)] >>> (token & 31) & 1) === 1
  );
}

function refuse(what: string): never {
  throw new RangeError(`Cannot read a record: ${what}`);
}
