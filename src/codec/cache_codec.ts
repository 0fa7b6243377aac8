/**
 * A codec made for one model: what the cache, its kernels and its accounting are built from.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { BandedProfile, CodecProfile, PaperProfile } from "../core/shapes.ts";
import { BandedLayout } from "./banded/layout.ts";
import type { BandedTables } from "./banded/tables.ts";
import { PaperLayout } from "./paper/layout.ts";
import { rawTileWords } from "./record.ts";
import { isBanded } from "./profile.ts";

/** Blocks are raw tiles: profile `exact`. */
export interface RawCodec {
  /** Discriminates the kinds. */
  kind: "raw";
  /** Its profile. */
  profile: { name: "exact" };
}

/** Blocks are paper records: profile `paper`. FORMAT.md sections 3 and 4. */
export interface PaperCodec {
  /** Discriminates the kinds. */
  kind: "paper";
  /** Its profile. */
  profile: PaperProfile;
  /** Of its records. */
  layout: PaperLayout;
}

/** Blocks are banded records. FORMAT.md section 11. */
export interface BandedCodec {
  /** Discriminates the kinds. */
  kind: "banded";
  /** Its profile. */
  profile: BandedProfile;
  /** Of its records. */
  layout: BandedLayout;
  /** By layer. */
  tables: readonly BandedTables[];
}

/** A codec for one model. */
export type CacheCodec = RawCodec | PaperCodec | BandedCodec;

/**
 * Makes the codec of a profile.
 *
 * @param tables By layer; needed for banded profiles only.
 *
 * @throws {RangeError} if a banded profile has no tables.
 */
export function cacheCodec(
  shape: { kvHeadCount: number; headSize: number },
  profile: CodecProfile,
  tables: readonly BandedTables[] | null,
): CacheCodec {
  if (profile.name === "exact") return { kind: "raw", profile: { name: "exact" } };
  if (!isBanded(profile)) {
    return { kind: "paper", profile, layout: PaperLayout.forProfile(shape, profile) };
  }
  if (tables === null) throw new RangeError(`Cannot use profile ${profile.name} uncalibrated`);
  const { kvHeadCount, headSize } = shape;
  const layout = new BandedLayout({ kvHeadCount, headSize, sinkCount: profile.sinkCount });
  return { kind: "banded", profile, layout, tables };
}

/** Fewest and most words of a block's record of one layer. */
export function recordWordsRange(
  shape: { kvHeadCount: number; headSize: number },
  codec: CacheCodec,
): { min: number; max: number } {
  if (codec.kind === "raw") {
    const words = rawTileWords(shape);
    return { min: words, max: words };
  }
  return { min: codec.layout.recordWordsMin, max: codec.layout.recordWordsMax };
}

/** Words of a record that are no payload of packs, before padding; sinks are not counted. */
export function fixedWords(codec: CacheCodec): number {
  if (codec.kind === "raw") return 0;
  return codec.kind === "paper" ? codec.layout.fixedWords : codec.layout.fixedWords(false);
}

/** What the bytes of a block depend on, beside its values: the profile, and the static tables. */
export function codecName(codec: CacheCodec): string {
  const name = JSON.stringify(codec.profile);
  if (codec.kind !== "banded") return name;
  const hash = createHash("sha256");
  for (const { keyStep, valueStep, normRecip, bands } of codec.tables) {
    for (const part of [keyStep, valueStep, Float32Array.of(normRecip), bands]) {
      hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    }
  }
  return `${name} ${hash.digest("hex").slice(0, 32)}`;
}
