/** Blocks of a disk tier, made of a seed. */

import { PaperLayout } from "../../src/codec/paper/layout.ts";
import { packPaper } from "../../src/codec/paper/pack.ts";
import { codecProfile } from "../../src/codec/profile.ts";
import { quantisePaper } from "../../src/codec/paper/quantise.ts";
import { repackOrder } from "../../src/codec/repack.ts";
import { invariant } from "../../src/core/errors.ts";
import type { PaperProfile } from "../../src/codec/paper/settings.ts";
import type { ItemKind } from "../../src/scheduler/block_key.ts";
import type { BlockFormat, StoredBlock } from "../../src/tiers/block_format.ts";
import { sampleTile } from "./codec_samples.ts";

const profile = packingProfile();

function packingProfile(): PaperProfile {
  const made = codecProfile({ name: "paper" });
  invariant(made.name === "paper", "the profile is the published one");
  return made;
}

export const FORMAT: BlockFormat & { profile: typeof profile } = {
  root: "0123456789abcdef0123456789abcdef",
  kvHeadCount: 1,
  headSize: 32,
  profile,
};

/** The same, written in the cold form. */
export const COLD_FORMAT: typeof FORMAT = { ...FORMAT, cold: { layers: [0, 1], tables: null } };

/** A key, the same for the same seed. */
export function keyOf(seed: number, kind: ItemKind): string {
  return `${seed.toString(16).padStart(32, "0")}.${kind}`;
}

/** A block of two layers, packed or raw; of the second alone if it is near. */
export function makeBlock(seed: number, kind: ItemKind = "sealed"): StoredBlock {
  const layout = PaperLayout.forProfile(FORMAT, profile);
  const records = [1, 2].map((layer) => {
    if (kind === "near" && layer === 1) return new Uint32Array();
    const tile = sampleTile("gaussian", FORMAT, seed * 10 + layer);
    if (kind === "raw") return tile;
    const block = quantisePaper(FORMAT, tile, { ...profile, tokenCount: 64 });
    return packPaper(layout, block, repackOrder(profile.repack, block, layout.packSize));
  });
  const words = new Uint32Array(records.flatMap((record) => [...record]));
  return { key: keyOf(seed, kind), recordWords: records.map(({ length }) => length), words };
}
