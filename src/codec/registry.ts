/**
 * All codecs there are. Nothing else asks which one it has.
 *
 * @module
 */

import { BANDED } from "./banded/codec.ts";
import { DELTAKV } from "./deltakv/codec.ts";
import { INT8 } from "./int8/codec.ts";
import { PAPER } from "./paper/codec.ts";
import { RAW } from "./raw/codec.ts";
import { XQUANT } from "./xquant/codec.ts";

/** The codecs, in the order of help and documentation. */
export const CODECS = [BANDED, PAPER, DELTAKV, INT8, XQUANT, RAW] as const;

/** A codec with its settings, for the layers of one model. */
export type AnyCodec = ReturnType<(typeof CODECS)[number]["create"]>;
/** Names of codecs. */
export type CodecId = AnyCodec["id"];
/** The codec of a name. */
export type CodecOf<Id extends CodecId> = Extract<AnyCodec, { id: Id }>;
