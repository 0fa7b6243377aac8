/** Numbers as people read them. */

const COUNT = new Intl.NumberFormat("en");
const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"];

/** `12,345`. */
export function formatCount(count) {
  return COUNT.format(Math.round(count));
}

/** Decimal units, three digits: `98.4 MB`. */
export function formatBytes(bytes) {
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < BYTE_UNITS.length - 1; unit++) value /= 1000;
  const digits = unit === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/** `27.4 tok/s`. */
export function formatRate(perSecond) {
  const digits = perSecond < 99.95 ? 1 : 0;
  return `${COUNT.format(Number(perSecond.toFixed(digits)))} tok/s`;
}

/** `8 s`, `3 min`, `2 h`. */
export function formatDuration(seconds) {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3570) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** `5.98 times smaller`; null if nothing is stored. */
export function formatRatio(rawBytes, packedBytes) {
  if (!(rawBytes > 0) || !(packedBytes > 0)) return null;
  const ratio = rawBytes / packedBytes;
  return ratio.toFixed(ratio < 9.995 ? 2 : 1);
}
