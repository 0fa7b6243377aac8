/** Values out of Prometheus' text format. */

/**
 * Sums of all samples by metric name, whatever their labels.
 *
 * @param {string} text
 * @returns {Map<string, number>}
 */
export function readMetrics(text) {
  const sums = new Map();
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)(?: \d+)?$/.exec(line);
    if (found === null) continue;
    const [, name, value] = found;
    sums.set(name, (sums.get(name) ?? 0) + Number(value));
  }
  return sums;
}

/** Tokens per second between two readings of a counter; null without two. */
export function rateOf(name, before, now) {
  const [from, to] = [before?.metrics.get(name), now?.metrics.get(name)];
  if (from === undefined || to === undefined || to < from) return null;
  const seconds = (now.atMs - before.atMs) / 1000;
  return seconds > 0 ? (to - from) / seconds : null;
}
