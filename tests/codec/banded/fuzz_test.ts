import { assert } from "@std/assert";
import { checkBanded } from "../../../src/codec/banded/check.ts";
import { BandedLayout } from "../../../src/codec/banded/layout.ts";
import { packBanded, packSinks } from "../../../src/codec/banded/pack.ts";
import { quantiseBanded } from "../../../src/codec/banded/quantise.ts";
import { unpackBanded } from "../../../src/codec/banded/unpack.ts";
import { seededTables } from "../../support/banded_samples.ts";
import { sampleTile } from "../../support/codec_samples.ts";
import { guardedWords } from "../../support/guarded_words.ts";
import { seededRandom } from "../../support/numeric.ts";

const SHAPE = { kvHeadCount: 1, headSize: 32 };
const CASE_COUNT = 3000;
const SEED = 31;
const EXTREMES = [0, 1, 2, 23, 24, 25, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff];

Deno.test("checkBanded() refuses changed records or accepts what a packer writes, and reads nothing outside", () => {
  const random = seededRandom(SEED);
  const below = (count: number) => Math.floor(random() * count);
  const causes = new Set<string>();
  let acceptedCount = 0;
  for (let index = 0; index < CASE_COUNT; index++) {
    const sinkCount = index % 2 === 0 ? 0 : 4;
    const layout = new BandedLayout({ ...SHAPE, sinkCount });
    const facts = { tables: seededTables(SHAPE, 1 + index % 3), hasSinks: sinkCount > 0 };
    const original = recordOf(layout, index % 4, facts);
    let words = original.slice();
    for (let count = 1 + below(3); count > 0; count--) {
      const place = below(random() < 0.5 ? words.length : Math.min(words.length, 24));
      const kind = below(5);
      if (kind === 0) words[place] ^= 1 << below(32);
      if (kind === 1) words[place] = random() * 2 ** 32;
      if (kind === 2) words[place] = EXTREMES[below(EXTREMES.length)];
      if (kind === 3) words = words.slice(0, 1 + below(words.length));
      if (kind === 4) words = Uint32Array.from([...words, ...new Array(below(9)).fill(0)]);
    }
    const guarded = guardedWords(words);
    try {
      checkBanded(layout, guarded, facts);
      unpackBanded(layout, guarded, facts);
      acceptedCount++;
    } catch (error) {
      assert(error instanceof RangeError, `case ${index} of seed ${SEED}: ${error}`);
      causes.add(error.message.replace(/\d+/g, "#"));
    }
  }
  assert(acceptedCount > 50 && acceptedCount < CASE_COUNT, `${acceptedCount} were accepted`);
  assert(causes.size >= 8, [...causes].join("\n"));
});

const made = new Map<string, Uint32Array>();

function recordOf(
  layout: BandedLayout,
  kind: number,
  { tables, hasSinks }: { tables: ReturnType<typeof seededTables>; hasSinks: boolean },
): Uint32Array {
  const key = `${kind} ${layout.sinkCount} ${tables.keyStep[0]}`;
  const known = made.get(key);
  if (known) return known;
  const tile = sampleTile(kind % 2 === 0 ? "gaussian" : "mixed scales", SHAPE, 5 + kind);
  const block = quantiseBanded(SHAPE, tile, { tables, firstToken: layout.sinkCount });
  const order = Uint32Array.from({ length: 64 }, (_, place) => place);
  const sinks = hasSinks ? packSinks(layout, tile) : new Uint32Array();
  const record = packBanded(layout, { block, order, tables }, sinks);
  made.set(key, record);
  return record;
}
