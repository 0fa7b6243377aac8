/** Files beside the repository, which not every machine has. */

/**
 * Path of `../shared/<name>`, or null where there is none: a line says so, and the caller goes on
 * with its own fixtures.
 *
 * @throws {Error} If it is missing in CI, where nothing may be left out.
 */
export function sharedFile(name: string): string | null {
  const url = new URL(`../../../shared/${name}`, import.meta.url);
  const path = decodeURIComponent(url.pathname);
  try {
    Deno.statSync(path);
    return path;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (Deno.env.get("CI") === "true") throw new Error(`Cannot test with ${path}: it is missing`);
  console.log(`${path} is missing: tested with own fixtures only`);
  return null;
}
