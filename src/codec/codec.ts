/**
 * What a codec is. Its pure half lies in a folder of its own and is a row of `registry.ts`; its
 * kernels are put together in `src/kvcache/codecs`.
 *
 * @module
 */

import type { BandedTables } from "./banded/tables.ts";
import type { RecordRows } from "./cold/record_rows.ts";
import type { LayerTurns } from "./cold/turn.ts";
import type { GivenProfile, ProfileTable } from "./profile_table.ts";
import type { HeadShape } from "./raw_tile.ts";

/** Which record a block has in a model. */
export interface BlockPlace {
  /** Layer of the model. */
  layer: number;
  /** Index of the block in its sequence. */
  blockIndex: number;
}

/** What a record holds, `[64][kvHeadCount * headSize]` each, tokens in the order of the record. */
export interface BlockValues {
  /** K, after RoPE. */
  keys: ArrayLike<number>;
  /** V. */
  values: ArrayLike<number>;
}

/** A codec with its settings, for the layers of one model. */
export interface Codec {
  /** The codec's one name. */
  readonly id: string;
  /** Its settings. */
  readonly profile: { readonly name: string };
  /** Whether records hold the values as they are, each an f16. */
  readonly isExact: boolean;
  /** Whether records hold the tokens of a block in their order. */
  readonly keepsOrder: boolean;
  /** Fewest and most words of a record. */
  readonly recordWords: { readonly min: number; readonly max: number };
  /**
   * Words of a record without codes: an odd layer behind one that seals has such, and reads the
   * codes of the record before it in its block, from which arenas never part it. Null if all
   * records have codes.
   */
  readonly codelessWords: number | null;
  /** Words of a record that are no payload of packs, before padding; sinks are not counted. */
  readonly fixedWords: number;
  /** Words of what the device holds beside records to make and read them, for all layers. */
  readonly tableWords: number;
  /** First tokens of a sequence that its first block keeps as they are. */
  readonly sinkCount: number;
  /**
   * Tokens, counted behind the sinks, whose codes mean what they do beside each other alone: blocks
   * that are made of parts of others have all of them or none. 1 if each stands by itself.
   */
  readonly packTokenCount: number;
  /** What the bytes of a block depend on beside its values; part of the block's name. */
  readonly identity: string;
  /** What both ends know of each layer beside its records; null if there is nothing. */
  readonly tables: readonly BandedTables[] | null;
  /** Encodes of 64 tokens as rows: what their cold form is made of. */
  readonly rows: RecordRows;
  /**
   * The record of a raw tile: quantises, orders and packs. The device gives the same, bit for bit.
   *
   * @throws {RangeError} if the codec refuses infinity and NaN, and the tile holds them.
   */
  pack(tile: Uint32Array, place: BlockPlace): Uint32Array;
  /**
   * What attention reads from a record that {@link Codec.pack} or the device made.
   *
   * @param before The block's record of the layer before, for one that has no codes.
   */
  unpack(record: Uint32Array, place: BlockPlace, before?: Uint32Array | null): BlockValues;
}

/** Blocks apart from any device, readable without the model. */
export interface PortableForm {
  /**
   * Writes the records of all layers of a block of 64 tokens.
   *
   * @throws {RangeError} if they are no records of this codec.
   */
  pack(records: readonly Uint32Array[]): Uint8Array;
  /**
   * Reads them, checked whole.
   *
   * @throws {RangeError} naming what is wrong.
   */
  parse(bytes: Uint8Array): readonly Uint32Array[];
}

/** A codec before its settings and its model are known: a row of the registry. */
export interface CodecKind<C extends Codec> {
  /** The codec's one name. */
  readonly id: C["id"];
  /** The common name of its profiles in help and documentation. */
  readonly label: string;
  /** Whether it needs a calibration of the model. */
  readonly needsCalibration: boolean;
  /** Whether `--share` names its profiles too, since its layers share; not if left out. */
  readonly isSharing?: boolean;
  /** Its profiles and their settings. */
  readonly profiles: ProfileTable<C["profile"]>;
  /**
   * Makes the codec of a model.
   *
   * @param given Settings, which are checked.
   * @param tables By layer, from the model's calibration; null if the codec needs none.
   * @param turns What keys of its layers turn by; nothing if null or left out.
   * @throws {RangeError} naming a setting that is wrong, or if tables are missing.
   */
  create(
    shape: HeadShape,
    given: GivenProfile,
    tables: readonly BandedTables[] | null,
    turns?: LayerTurns,
  ): C;
  /** Its blocks apart from any device; null if only a device with the model's tables reads them. */
  portable(shape: HeadShape, given: GivenProfile): PortableForm | null;
}
