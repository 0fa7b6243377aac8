/**
 * Which Deno the program runs on.
 *
 * @module
 */

const MINOR_MIN = 9; // of version 2

/** The oldest Deno that will do. */
export const DENO_VERSION_MIN = `2.${MINOR_MIN}`;

/** Whether a Deno of this version will do. */
export function isUsableDeno(version: string): boolean {
  const [major, minor] = version.split(".").map(Number);
  return major > 2 || (major === 2 && minor >= MINOR_MIN);
}
