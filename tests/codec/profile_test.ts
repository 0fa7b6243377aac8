import { assertEquals, assertThrows } from "@std/assert";
import { PAPER_PROFILE } from "../../src/codec/paper/settings.ts";
import { PaperLayout } from "../../src/codec/paper/layout.ts";
import { codecProfile, describeProfile } from "../../src/codec/profile.ts";

Deno.test("codecProfile() fills in the published settings", () => {
  assertEquals(codecProfile({ name: "paper" }), PAPER_PROFILE);
  assertEquals(codecProfile({ name: "exact" }), { name: "exact" });
});

const REFUSED: [Parameters<typeof codecProfile>[0], string][] = [
  [{ name: "q4_0" }, "q4_0"],
  [{ name: "exact", keyRel: 0.1 }, "keyRel"],
  [{ name: "paper", keyRel: 0 }, "keyRel 0"],
  [{ name: "paper", keyRel: 0.0039 }, "keyRel 0.0039"],
  [{ name: "paper", valueRel: 0.51 }, "valueRel 0.51"],
  [{ name: "paper", valueRel: NaN }, "valueRel NaN"],
  [{ name: "paper", packSize: 64 }, "packSize 64"],
  [{ name: "paper", packSize: 15.5 }, "packSize 15.5"],
  [{ name: "paper", repack: "best" }, "best"],
  [{ name: "paper", sinkCount: 4 }, "sinkCount"],
  [{ name: "balanced", keyRel: 0.1 }, "keyRel"],
  [{ name: "balanced", keyStep: 0 }, "keyStep 0"],
  [{ name: "tight", valueStep: 17 }, "valueStep 17"],
  [{ name: "tight", sinkCount: 17 }, "sinkCount 17"],
  [{ name: "tight", layerFactors: [{ key: 1, value: 17 }] }, "V in layer 0"],
];

for (const [settings, part] of REFUSED) {
  Deno.test(`codecProfile() refuses ${JSON.stringify(settings)}, naming ${part}`, () => {
    assertThrows(() => codecProfile(settings), RangeError, part);
  });
}

Deno.test("codecProfile() accepts both ends of each range, and every choice", () => {
  for (const rel of [1 / 254, 0.5]) codecProfile({ name: "paper", keyRel: rel, valueRel: rel });
  for (const packSize of [4, 8, 16, 32]) codecProfile({ name: "paper", packSize });
  for (const repack of ["none", "median", "greedy"]) codecProfile({ name: "paper", repack });
});

Deno.test("describeProfile() names the settings in force", () => {
  assertEquals(describeProfile(PAPER_PROFILE), "paper (k-rel 0.1, v-rel 0.2, pack 16)");
  const profile = codecProfile({ name: "paper", keyRel: 0.05, packSize: 8, repack: "median" });
  assertEquals(describeProfile(profile), "paper (k-rel 0.05, v-rel 0.2, pack 8, repack median)");
  assertEquals(describeProfile({ name: "exact" }), "exact");
  const own = codecProfile({ name: "tight", keyStep: 3, valueStep: 2.5, sinkCount: 8 });
  assertEquals(describeProfile(own), "tight (k-step 3, v-step 2.5, sinks 8)");
});

Deno.test("PaperLayout() gives the sizes of FORMAT.md for the default model", () => {
  const layout = PaperLayout.forProfile({ kvHeadCount: 3, headSize: 64 }, PAPER_PROFILE);
  assertEquals([layout.keyBits, layout.valueBits], [4, 3]);
  assertEquals([layout.widthBits(0), layout.widthBits(1)], [3, 2]);
  assertEquals([layout.keyParamsWord, layout.valueParamsWord, layout.sectionsWord], [6, 70, 134]);
  assertEquals([layout.minimaWord(0), layout.payloadWord(0)], [24, 24 + 32]);
  assertEquals([layout.minimaWord(1), layout.payloadWord(1)], [16, 16 + 24]);
  assertEquals(layout.fixedWords, 134 + 3 * (56 + 40));
  assertEquals(layout.recordWordsMax, 134 + 3 * (56 + 40) + 3 * (512 + 384) + 2);
});

const OPTIONS = { kvHeadCount: 1, headSize: 64, packSize: 16, keyBits: 4, valueBits: 3 };
for (
  const wrong of [
    { kvHeadCount: 0 },
    { kvHeadCount: 257 },
    { headSize: 48 },
    { headSize: 544 },
    { headSize: 0 },
    { packSize: 64 },
    { keyBits: 9 },
    { valueBits: 0 },
  ]
) {
  Deno.test(`PaperLayout() refuses ${JSON.stringify(wrong)}`, () => {
    assertThrows(() => new PaperLayout({ ...OPTIONS, ...wrong }), RangeError, "Cannot lay out");
  });
}
