import { invariant } from "../../core/errors.ts";
import type { KvCache } from "../kv_cache.ts";

/** What seals and what reads a cache have in common: made for the first, freed with the last. */
export class SharedOfCache<T> {
  readonly #ofCache = new WeakMap<KvCache, { value: T; useCount: number }>();

  /** That of a cache, made if nobody has it. */
  use(cache: KvCache, make: () => T): T {
    const shared = this.#ofCache.get(cache) ?? { value: make(), useCount: 0 };
    this.#ofCache.set(cache, shared);
    shared.useCount++;
    return shared.value;
  }

  /** Frees that of a cache once nobody uses it any more. */
  release(cache: KvCache, free: (value: T) => void): void {
    const shared = this.#ofCache.get(cache);
    invariant(shared !== undefined, "what is given back was taken");
    if (--shared.useCount > 0) return;
    this.#ofCache.delete(cache);
    free(shared.value);
  }
}
