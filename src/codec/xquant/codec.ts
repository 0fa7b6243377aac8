/**
 * XQuant across layers: codes of one or two bits in groups of KIVI's shape, and odd layers that
 * have minima and steps of their own and read the codes of the layer before. FORMAT.md section 10;
 * arXiv:2510.11236.
 *
 * @module
 */

import type { BlockPlace, BlockValues, Codec, CodecKind } from "../codec.ts";
import type { RecordRows } from "../cold/record_rows.ts";
import type { HeadShape } from "../raw_tile.ts";
import { XquantLayout } from "./layout.ts";
import { ownCodes, packXquant, xquantValues } from "./record.ts";
import { XquantRows } from "./rows.ts";
import { XQUANT_PROFILES, type XquantProfile } from "./settings.ts";

/** Shares codes between neighbouring layers. */
export class XquantCodec implements Codec {
  readonly id = "xquant";
  readonly isExact = false;
  readonly keepsOrder = true;
  readonly tableWords = 0;
  readonly sinkCount = 0;
  readonly packTokenCount = 1;
  readonly profile: XquantProfile;
  /** Of its records. */
  readonly layout: XquantLayout;
  readonly recordWords: { min: number; max: number };
  readonly codelessWords: number;
  readonly fixedWords: number;
  readonly identity: string;
  readonly tables = null;
  readonly rows: RecordRows;

  /** Makes it for a model's heads. */
  constructor(shape: HeadShape, profile: XquantProfile) {
    this.profile = profile;
    this.layout = new XquantLayout(shape, profile);
    const { paramWords, ownWords } = this.layout;
    this.recordWords = { min: ownWords, max: ownWords };
    this.codelessWords = paramWords;
    this.fixedWords = paramWords;
    this.identity = JSON.stringify(profile);
    this.rows = new XquantRows(this.layout);
  }

  /** Quantises and packs; tokens keep their order. Records of odd layers have no codes. */
  pack(tile: Uint32Array, { layer }: Pick<BlockPlace, "layer">): Uint32Array {
    return packXquant(this.layout, tile, layer % 2 === 0);
  }

  /** Values by token. */
  unpack(
    record: Uint32Array,
    _place: BlockPlace,
    before: Uint32Array | null = null,
  ): BlockValues {
    const owner = record.length === this.layout.ownWords ? record : before;
    if (owner === null) {
      throw new TypeError(
        "Cannot read a record without codes: that of the layer before is missing",
      );
    }
    return xquantValues(this.layout, record, ownCodes(this.layout, owner));
  }
}

/** The codec `xquant`. */
export const XQUANT: CodecKind<XquantCodec> = {
  id: "xquant",
  label: "xquant",
  needsCalibration: false,
  isSharing: true,
  profiles: XQUANT_PROFILES,
  create: (shape, given) => new XquantCodec(shape, XQUANT_PROFILES.profile(given)),
  // A record of an odd layer is none without that of another.
  portable: () => null,
};
