/**
 * The device halves of all codecs, a row for each of `src/codec/registry.ts`.
 *
 * @module
 */

import type { AnyCodec, CodecId, CodecOf } from "../../codec/registry.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import type { BlockReaders } from "../block_reader.ts";
import type { Sealer } from "../sealer.ts";
import { BANDED_DEVICE } from "./banded.ts";
import {
  type CodecCache,
  type DecodeLanes,
  type DeviceCodec,
  UNPACKED_RECORDS,
} from "./device_codec.ts";
import { DELTAKV_DEVICE } from "./deltakv.ts";
import { INT8_DEVICE } from "./int8.ts";
import { PAPER_DEVICE } from "./paper.ts";
import { RAW_DEVICE } from "./raw.ts";
import { XQUANT_DEVICE } from "./xquant.ts";

const DEVICE_CODECS: { readonly [Id in CodecId]: DeviceCodec<CodecOf<Id>> } = {
  raw: RAW_DEVICE,
  int8: INT8_DEVICE,
  paper: PAPER_DEVICE,
  deltakv: DELTAKV_DEVICE,
  banded: BANDED_DEVICE,
  xquant: XQUANT_DEVICE,
};

/** The device half of a codec; the id is the codec's own. */
function deviceOf<Id extends CodecId>(id: Id): DeviceCodec<CodecOf<Id>> {
  return DEVICE_CODECS[id];
}

/** Why blocks of a codec cannot be made of parts of others; null if they can. */
export function gatherGap(codec: AnyCodec): string | null {
  return deviceOf(codec.id).gatherGap(codec);
}

/** Why no channels can be dropped of blocks of a codec; null if some can. */
export function dropGap(codec: AnyCodec): string | null {
  return deviceOf(codec.id).dropGap();
}

/** Why values of a codec's blocks cannot lie in host memory; null if they can. */
export function valueGap(codec: AnyCodec): string | null {
  return deviceOf(codec.id).valueGap();
}

/** Why single rows cannot read lists of their own for each head; null if they can. */
export function chooseGap(codec: AnyCodec): string | null {
  return decodeLanes(codec) === null ? UNPACKED_RECORDS : null;
}

/** How lanes of decode attention exchange values; null if rows read no records. */
export function decodeLanes(codec: AnyCodec): DecodeLanes | null {
  return deviceOf(codec.id).decodeLanes;
}

/** Makes what seals blocks of a cache. */
export async function createSealer(gpu: Gpu, options: CodecCache<AnyCodec>): Promise<Sealer> {
  return await deviceOf(options.codec.id).createSealer(gpu, options);
}

/** Makes what attention reads blocks of a cache with. */
export function createReaders(gpu: Gpu, options: CodecCache<AnyCodec>): BlockReaders {
  return deviceOf(options.codec.id).createReaders(gpu, options);
}
