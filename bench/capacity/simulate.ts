/**
 * Replicas and a store in common, block by block: which prompts are found where, and what that
 * costs. Time passes by requests; queues are not modelled, only how busy each part would be.
 *
 * @module
 */

/** What a cache stores per token, and how it is moved. */
export interface BlockForm {
  name: string;
  /** Bytes of a token in device memory. */
  deviceBytes: number;
  /** Bytes of a token in the store. */
  storeBytes: number;
  /** Bytes beside them for each prompt that is written or begun with: raw tiles at its end. */
  tailBytes: number;
  /** Bytes a second that a replica codes for the store and decodes; infinite if it copies them. */
  codedPerSecond: number;
  decodedPerSecond: number;
}

/** Machines, store and line. */
export interface Site {
  replicaCount: number;
  /** Bytes that each replica has for blocks. */
  deviceCapacity: number;
  /** Bytes of the store. */
  storeCapacity: number;
  /** Tokens that a replica reads a second. */
  prefillTokensPerSecond: number;
  /** Bytes a second of the store's line. */
  storeBytesPerSecond: number;
  /** Whether a session stays with a replica. */
  isSticky: boolean;
}

/** A prompt: its blocks are named by what they begin with. */
export interface TraceRequest {
  timeSeconds: number;
  session: number;
  /** Names of whole blocks of 64 tokens, in order. */
  blocks: readonly string[];
  /** Tokens behind them. */
  tailTokens: number;
}

/** What became of a trace. */
export interface Outcome {
  promptTokens: number;
  /** Found on the replica, found in the store, read. */
  deviceTokens: number;
  storeTokens: number;
  readTokens: number;
  storeReadBytes: number;
  storeWrittenBytes: number;
  storeUsedBytes: number;
  seconds: number;
  /** Share of its time that each part is busy; above 1 it is too small. */
  busy: { replicas: number; coding: number; storeLine: number };
}

/** A name between the one used before it and the one used after it. */
interface Entry {
  name: string;
  size: number;
  older: Entry;
  newer: Entry;
}

/** Names by last use, with their bytes; the least recently used go first. */
class RecentBlocks {
  readonly #entries = new Map<string, Entry>();
  /** Between the newest and the oldest: a ring, since a map finds its oldest key slowly. */
  readonly #end: Entry;
  readonly #capacity: number;
  usedBytes = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    const end = { name: "", size: 0 } as Entry;
    this.#end = Object.assign(end, { older: end, newer: end });
  }

  touch(name: string): boolean {
    const entry = this.#entries.get(name);
    if (entry === undefined) return false;
    leave(entry);
    this.#append(entry);
    return true;
  }

  add(name: string, size: number): boolean {
    if (this.touch(name)) return false;
    const entry = { name, size, older: this.#end, newer: this.#end };
    this.#entries.set(name, entry);
    this.#append(entry);
    this.usedBytes += size;
    while (this.usedBytes > this.#capacity) {
      const oldest = this.#end.newer;
      leave(oldest);
      this.#entries.delete(oldest.name);
      this.usedBytes -= oldest.size;
    }
    return true;
  }

  #append(entry: Entry): void {
    const { older } = this.#end;
    entry.older = older;
    entry.newer = this.#end;
    older.newer = entry;
    this.#end.older = entry;
  }
}

function leave({ older, newer }: Entry): void {
  older.newer = newer;
  newer.older = older;
}

/** Runs a trace over a site; deterministic. */
export function simulate(trace: Iterable<TraceRequest>, form: BlockForm, site: Site): Outcome {
  const blockBytes = 64 * form.deviceBytes;
  const storedBytes = 64 * form.storeBytes;
  const replicas = Array.from(
    { length: site.replicaCount },
    () => new RecentBlocks(site.deviceCapacity),
  );
  const store = new RecentBlocks(site.storeCapacity);
  const sum = { promptTokens: 0, deviceTokens: 0, storeTokens: 0, readTokens: 0 };
  let [storeReadBytes, storeWrittenBytes, seconds, turn] = [0, 0, 0, 0];
  for (const { timeSeconds, session, blocks, tailTokens } of trace) {
    seconds = timeSeconds;
    const replica = replicas[(site.isSticky ? session : turn++) % site.replicaCount];
    let place = 0;
    while (place < blocks.length && replica.touch(blocks[place])) place++;
    const onDevice = place;
    while (place < blocks.length && store.touch(blocks[place])) place++;
    const fetched = place - onDevice;
    if (fetched > 0) storeReadBytes += fetched * storedBytes + form.tailBytes;
    const tokens = 64 * blocks.length + tailTokens;
    sum.promptTokens += tokens;
    sum.deviceTokens += 64 * onDevice;
    sum.storeTokens += 64 * fetched;
    sum.readTokens += tokens - 64 * place;
    let writes = 0;
    for (const name of blocks) {
      replica.add(name, blockBytes);
      if (store.add(name, storedBytes)) writes++;
    }
    if (writes > 0) storeWrittenBytes += writes * storedBytes + form.tailBytes;
  }
  return {
    ...sum,
    storeReadBytes,
    storeWrittenBytes,
    storeUsedBytes: store.usedBytes,
    seconds,
    busy: {
      replicas: sum.readTokens / (site.replicaCount * site.prefillTokensPerSecond * seconds),
      coding: (storeReadBytes / form.decodedPerSecond + storeWrittenBytes / form.codedPerSecond) /
        (site.replicaCount * seconds),
      storeLine: (storeReadBytes + storeWrittenBytes) / (site.storeBytesPerSecond * seconds),
    },
  };
}
