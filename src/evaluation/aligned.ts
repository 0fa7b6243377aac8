/**
 * Rows of cells as lines in columns, all as wide as their widest cell.
 *
 * @param leftCount First columns, whose cells begin below one another; the others end so.
 */
export function aligned(
  rows: readonly (readonly string[])[],
  leftCount: number = Infinity,
): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, column) =>
      column < leftCount ? cell.padEnd(widths[column]) : cell.padStart(widths[column])
    ).join("  ").trimEnd()
  );
}

/** A share as a cell. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
