/**
 * What a request asks for and does not get, though it is answered: said in a header.
 *
 * @module
 */

/** The header; several reasons are separated by semicolons. */
export const WARNING_HEADER = "X-PackKV-Warning";

/** The same answer, saying what it leaves out. */
export function withWarnings(response: Response, warnings: readonly string[]): Response {
  if (warnings.length === 0) return response;
  // Names in it come from the caller: a header has visible ASCII only.
  const text = [...new Set(warnings)].join("; ").replace(/[^\x20-\x7e]/g, "?");
  response.headers.set(WARNING_HEADER, text.slice(0, 1000));
  return response;
}
