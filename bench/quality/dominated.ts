/**
 * Which profiles are dominated: another codec with the same raw tokens takes no more bytes all in
 * and does no more damage. Each length and each measure of damage counts by itself, so that a
 * profile which wins in the mean may still lose in the median.
 *
 *     deno run --allow-read bench/quality/dominated.ts RECORD.json
 *
 * RECORD.json is a record of tails in `bench/record/`.
 *
 * @module
 */

import { PROFILE_NAMES } from "../../src/codec/profile.ts";

/** A codec on a text, with so many newest tokens raw; of a record of tails. */
export interface TailRow {
  text: string;
  codec: string;
  /** Newest tokens that stay raw. */
  window: number;
  tokens: number;
  kl_mean: number;
  kl_p50: number;
  kl_p999: number;
  /** Times smaller than f16, all in, by length in tokens. */
  all_in: Readonly<Record<string, number>>;
}

/** Measures of damage, the less the better. */
const MEASURES = ["kl_mean", "kl_p50", "kl_p999"] as const;

/** A profile that loses to another codec in both. */
export interface Domination {
  profile: string;
  by: string;
  text: string;
  window: number;
  measure: (typeof MEASURES)[number];
  /** Length whose bytes are compared, tokens. */
  length: number;
}

/**
 * All cases in which a codec dominates a profile on the same tokens.
 *
 * @throws {RangeError} If nothing is there to compare: no profile, or no other codec beside one.
 */
export function dominations(rows: readonly TailRow[]): Domination[] {
  const pairs = rows.filter(isProfile).flatMap((own) =>
    rows.filter((other) => !isProfile(other) && isSameFrame(own, other))
      .map((other) => [own, other])
  );
  if (pairs.length === 0) throw new RangeError("Cannot compare: no profile stands beside a codec");
  return pairs.flatMap(([own, other]) =>
    MEASURES.flatMap((measure) =>
      Object.keys(own.all_in)
        .filter((length) =>
          other.all_in[length] >= own.all_in[length] && other[measure] <= own[measure]
        )
        .map((length): Domination => {
          const { codec: profile, text, window } = own;
          return { profile, by: other.codec, text, window, measure, length: Number(length) };
        })
    )
  );
}

function isProfile({ codec }: TailRow): boolean {
  return PROFILE_NAMES.some((name) => name === codec);
}

function isSameFrame(a: TailRow, b: TailRow): boolean {
  return a.text === b.text && a.window === b.window && a.tokens === b.tokens;
}

if (import.meta.main) {
  const { result } = JSON.parse(await Deno.readTextFile(Deno.args[0]));
  const found = dominations(result);
  for (const { profile, by, text, window, measure, length } of found) {
    console.log(`${profile} by ${by}: ${text}, window ${window}, ${measure}, ${length} tokens`);
  }
  console.log(`${found.length} dominated`);
}
