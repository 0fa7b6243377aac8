/**
 * Text of a file in a message.
 *
 * @module
 */

const LENGTH_MAX = 80;

/** `text` in quotes, control characters escaped, cut where it is long. */
export function quote(text: string): string {
  const isLong = text.length > LENGTH_MAX;
  return JSON.stringify(isLong ? `${text.slice(0, LENGTH_MAX)}…` : text);
}
