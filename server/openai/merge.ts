/**
 * Several sources of values as one, in the order the values come.
 *
 * @module
 */

/** A value and the position of the source it came from. */
export interface Indexed<T> {
  sourceIndex: number;
  value: T;
}

/**
 * Runs sources side by side and yields each value as it comes.
 *
 * @param open One function for each source, called when its turn comes.
 * @param concurrency Most sources open at a time, at least 1.
 * @throws The first error of any source; the others are closed then.
 */
export async function* mergeConcurrent<T>(
  open: readonly (() => AsyncGenerator<T>)[],
  concurrency: number,
): AsyncGenerator<Indexed<T>> {
  type Arrival = { sourceIndex: number; source: AsyncGenerator<T>; result: IteratorResult<T> };
  const pending = new Map<number, Promise<Arrival>>();
  const active = new Map<number, AsyncGenerator<T>>();
  let openedCount = 0;
  const advance = (sourceIndex: number, source: AsyncGenerator<T>) => {
    const arrival = source.next().then((result) => ({ sourceIndex, source, result }));
    pending.set(sourceIndex, arrival);
  };
  const fill = () => {
    while (openedCount < open.length && active.size < concurrency) {
      const sourceIndex = openedCount++;
      const source = open[sourceIndex]();
      active.set(sourceIndex, source);
      advance(sourceIndex, source);
    }
  };
  try {
    for (fill(); pending.size > 0; fill()) {
      const { sourceIndex, source, result } = await Promise.race(pending.values());
      pending.delete(sourceIndex);
      if (result.done) {
        active.delete(sourceIndex);
        continue;
      }
      yield { sourceIndex, value: result.value };
      advance(sourceIndex, source);
    }
  } finally {
    // Not awaited: a source in the middle of a step closes when that step is over.
    for (const source of active.values()) source.return(undefined).catch(() => {});
  }
}
