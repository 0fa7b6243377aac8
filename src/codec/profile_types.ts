/**
 * The profiles of all codecs as types.
 *
 * @module
 */

import type { BandedProfile } from "./banded/settings.ts";
import type { DeltaKvProfile } from "./deltakv/settings.ts";
import type { Int8Profile } from "./int8/codec.ts";
import type { PaperProfile } from "./paper/settings.ts";
import type { OptionsOf } from "./profile_table.ts";
import type { RawProfile } from "./raw/settings.ts";
import type { XquantProfile } from "./xquant/settings.ts";

export type { BandedProfile, LayerFactors } from "./banded/settings.ts";
export type { DeltaKvProfile } from "./deltakv/settings.ts";
export type { Int8Profile } from "./int8/codec.ts";
export type { PaperProfile } from "./paper/settings.ts";
export type { OptionsOf } from "./profile_table.ts";
export type { RawProfile } from "./raw/settings.ts";
export type { RepackRule } from "./repack.ts";
export type { XquantProfile } from "./xquant/settings.ts";

/** Settings of a codec; a point on the curve of quality against bytes. */
export type CodecProfile =
  | BandedProfile
  | PaperProfile
  | DeltaKvProfile
  | Int8Profile
  | XquantProfile
  | RawProfile;

/** Which codec profile, and what differs from its own settings; `balanced` if left out. */
export type ProfileOptions = OptionsOf<CodecProfile>;
