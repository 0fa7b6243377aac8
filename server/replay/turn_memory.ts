/**
 * What was really sampled, by the ids of its calls and by its place in a conversation: in bounded
 * memory, and in a file beside the blocks of the disk tier.
 *
 * @module
 */

/** An answer as it was sampled. */
export interface SampledTurn {
  /** Its tokens, thoughts and marks included, without the end token. */
  ids: readonly number[];
  /** Its text, calls and thoughts in canonical form, as hashes; null for no thoughts. */
  text: string;
  calls: string;
  thoughts: string | null;
}

/** Something kept: an answer, or lines that were placed behind a message. */
export type Kept = { turn: SampledTurn } | { lines: string };

/** Bytes that an entry takes beside its tokens, about. */
const ENTRY_SIZE_BYTES = 400;
/** Bytes of a token as a number of an array. */
const ID_SIZE_BYTES = 8;

function sizeOf(kept: Kept): number {
  return ENTRY_SIZE_BYTES + ("turn" in kept ? kept.turn.ids.length * ID_SIZE_BYTES : 0);
}

/** Where entries outlive the process. */
export interface TurnStore {
  /** All that was kept, the oldest first. */
  load(): [key: string, kept: Kept][];
  /** Keeps one more. */
  add(key: string, kept: Kept): void;
}

/** Entries by key; the least recently used go when there are too many. */
export class TurnMemory {
  readonly #entries = new Map<string, Kept>();
  readonly #sizeBytesMax: number;
  readonly #store: TurnStore | null;
  #sizeBytes = 0;

  constructor(
    { sizeBytesMax, store = null }: { sizeBytesMax: number; store?: TurnStore | null },
  ) {
    this.#sizeBytesMax = sizeBytesMax;
    for (const [key, kept] of store?.load() ?? []) this.#put(key, kept);
    this.#store = store;
  }

  /** Bytes that all entries take, about. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** What is kept under a key. */
  find(key: string): Kept | undefined {
    const kept = this.#entries.get(key);
    if (kept === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, kept);
    return kept;
  }

  /** Keeps something, in place of what was there. */
  keep(key: string, kept: Kept): void {
    this.#put(key, kept);
    this.#store?.add(key, kept);
  }

  #put(key: string, kept: Kept): void {
    this.#drop(key);
    this.#entries.set(key, kept);
    this.#sizeBytes += sizeOf(kept);
    for (const oldest of this.#entries.keys()) {
      if (this.#sizeBytes <= this.#sizeBytesMax) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const kept = this.#entries.get(key);
    if (kept === undefined) return;
    this.#entries.delete(key);
    this.#sizeBytes -= sizeOf(kept);
  }
}
