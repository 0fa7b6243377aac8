/** An unbounded queue between a producer that pushes and one consumer that iterates. */
export class EventQueue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #error: Error | null = null;
  #wake: (() => void) | null = null;

  /** Adds an item. */
  push(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  /** Ends the iteration with `error`, dropping what was not yet taken; the first call counts. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#wake?.();
  }

  /** Yields items in order; throws the error given to {@link fail}. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    while (true) {
      if (this.#error) throw this.#error;
      const item = this.#items.shift();
      if (item !== undefined) {
        yield item;
        continue;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
      this.#wake = null;
    }
  }
}
