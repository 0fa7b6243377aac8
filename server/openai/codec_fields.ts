/**
 * The codecs' settings as fields of requests and answers.
 *
 * @module
 */

import { z } from "zod";
import { fieldName, listSettings, profileFields } from "../../src/codec/profile.ts";
import type { CodecProfile } from "../../src/codec/profile_types.ts";

const settings = listSettings().map(({ setting }) => setting)
  .filter(({ field }) => field !== null);
const schemas = settings.map((setting): [string, z.ZodType<string | number>] => {
  const { field, choices } = setting;
  return [fieldName(setting), field === "text" ? z.enum([...choices ?? []]) : z.number()];
});

/** Zod shape of the settings that a request may rely on. */
export const CODEC_REQUEST_FIELDS = Object.fromEntries(
  schemas.map(([name, schema]) => [name, schema.nullish()]),
);

/** Zod shape of the settings in answers. */
export const CODEC_ANSWER_FIELDS = Object.fromEntries(
  schemas.map(([name, schema]) => [name, schema.optional()]),
);

/** A profile by the names of these fields. */
export function codecFields(profile: CodecProfile): Record<string, unknown> {
  return { profile: profile.name, ...profileFields(profile) };
}
