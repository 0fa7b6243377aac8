import { assert, assertEquals } from "@std/assert";
import { BANDED_FORMAT_VERSION } from "../../src/codec/banded/portable.ts";
import { PaperLayout } from "../../src/codec/paper/layout.ts";
import { KEY, VALUE } from "../../src/codec/record.ts";
import { packPaper } from "../../src/codec/paper/pack.ts";
import {
  packPortablePaper,
  PAPER_FORMAT_VERSION,
  parsePortablePaper,
} from "../../src/codec/paper/portable.ts";
import { codecProfile } from "../../src/codec/profile.ts";
import { dequantise, quantisePaper } from "../../src/codec/paper/quantise.ts";
import { INT8_FORMAT_VERSION } from "../../src/codec/int8/portable.ts";
import { rawTileFrom } from "../../src/codec/raw_tile.ts";
import { repackOrder } from "../../src/codec/repack.ts";
import { unpackPaper } from "../../src/codec/paper/unpack.ts";

const SHAPE = { kvHeadCount: 1, headSize: 32 };
const TOKEN_COUNT = 20;
const FORMAT_URL = new URL("../../src/codec/FORMAT.md", import.meta.url);

/** The values FORMAT.md section 6.9 describes, f32 `[20][32]`. */
function exampleValues(): { keys: Float32Array; values: Float32Array } {
  const keys = new Float32Array(TOKEN_COUNT * 32);
  const values = new Float32Array(TOKEN_COUNT * 32);
  for (let token = 0; token < TOKEN_COUNT; token++) {
    keys.set([-1, 1, token % 3 - 1], token * 32 + 5);
    values.set([-2, 2, (token % 8) / 4 - 1], token * 32);
  }
  return { keys, values };
}

/** The bytes FORMAT.md section 6.9 lists. */
async function listedBytes(): Promise<Uint8Array> {
  const text = await Deno.readTextFile(FORMAT_URL);
  const listing = text.match(/```hex\n([^`]*)```/);
  assert(listing !== null, "FORMAT.md lists the bytes of its example");
  const bytes = listing[1].trim().split(/\s+/).map((byte) => parseInt(byte, 16));
  return Uint8Array.from(bytes);
}

Deno.test("packPortablePaper() gives the bytes of FORMAT.md's worked example", async () => {
  const { keys, values } = exampleValues();
  const profile = codecProfile({ name: "paper", keyRel: 0.5, valueRel: 0.25 });
  assert(profile.name === "paper");
  const tile = rawTileFrom(SHAPE, keys, values);
  const block = quantisePaper(SHAPE, tile, { ...profile, tokenCount: TOKEN_COUNT });
  const layout = PaperLayout.forProfile(SHAPE, profile);
  const record = packPaper(layout, block, repackOrder("none", block, layout.packSize));
  const portable = { ...SHAPE, tokenCount: TOKEN_COUNT, profile, records: [record] };
  assertEquals(packPortablePaper(portable), await listedBytes());
});

Deno.test("unpackPaper() reads FORMAT.md's worked example back to its values", async () => {
  const { records, profile, tokenCount } = parsePortablePaper(await listedBytes());
  assertEquals(tokenCount, TOKEN_COUNT);
  const layout = PaperLayout.forProfile(SHAPE, profile);
  const { sides } = unpackPaper(layout, records[0], tokenCount);
  const { keys, values } = exampleValues();
  for (let i = 0; i < keys.length; i++) {
    const [token, channel] = [Math.floor(i / 32), i % 32];
    const read = (side: 0 | 1) =>
      dequantise(sides[side].codes[channel * 64 + token], sides[side].params[token]);
    assertEquals(read(KEY), keys[i]);
    // Channel 2 of V is off the grid: quarters go to the nearest integer, halves to 0.
    assertEquals(read(VALUE), Math.abs(values[i]) <= 0.5 ? 0 : Math.round(values[i]));
  }
});

Deno.test("rawTileFrom() gives the words of FORMAT.md's example of raw blocks", () => {
  const keys = new Float32Array(64 * 32);
  const values = new Float32Array(64 * 32);
  keys[2 * 32 + 9] = 1;
  values[63 * 32 + 31] = -2;
  const tile = rawTileFrom(SHAPE, keys, values);
  const found = [...tile.entries()].filter(([, word]) => word !== 0);
  assertEquals(found, [[264, 0x3c000000], [2047, 0xc0000000]]);
  assertEquals(tile.length, 2048);
});

Deno.test("FORMAT.md states the versions the code writes", async () => {
  const text = await Deno.readTextFile(FORMAT_URL);
  const line = `\nVersion ${PAPER_FORMAT_VERSION}, of paper records, version ` +
    `${BANDED_FORMAT_VERSION}, of banded ones, and version ${INT8_FORMAT_VERSION}, of int8 ones.`;
  assert(text.includes(line), "its first line names the versions");
});
