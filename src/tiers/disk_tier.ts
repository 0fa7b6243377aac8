/**
 * Blocks in files, one each, in a folder of their cache. A file has its final name only when it is
 * whole and on the disk; what is read is checked; the index is the list of files. Several processes
 * may have one folder: files of others are found when they are looked for, those that others
 * deleted are missing, and the bytes of all count.
 *
 * @module
 */

import { type WantedBlock, wantedKeys } from "../scheduler/beginning.ts";
import { isSharedKey } from "../scheduler/block_key.ts";
import { leastRecentlyUsed, type Retention, type RetentionPolicy } from "../scheduler/retention.ts";
import { UNFINISHED, writeAtomically } from "./atomic_file.ts";
import { packBlockFile } from "./block_file.ts";
import type { BlockFormat, StoredBlock } from "./block_format.ts";
import { UnpackPool } from "./unpack_pool.ts";

/** Age of an unfinished file that no process writes any more. */
const UNFINISHED_AGE_MS = 10 * 60_000;
/** Blocks of a prompt that are looked for at once; two files each. */
const LOOK_BLOCK_COUNT = 16;
/** The folder is listed again after this share of the capacity is written. */
const LIST_SHARE = 1 / 16;

/** How to open a tier. */
export interface DiskTierOptions {
  /** Holds a folder for each cache; made if it is not there. */
  folder: string;
  format: BlockFormat;
  /**
   * Most bytes of all files of this cache, those of other processes included: each of them may
   * exceed it by a sixteenth before it counts again.
   */
  capacityBytes: number;
  /** Most threads that read files; 0, or left out: this one. */
  unpackWorkerCount?: number;
}

/** The blocks of one cache on disk. */
export class DiskTier {
  #folder: string;
  #options: DiskTierOptions;
  #unpackers: UnpackPool;
  /** Bytes by key. */
  #sizes = new Map<string, number>();
  #order: Retention<string>;
  #usedBytes = 0;
  /** Bytes written since the folder was listed. */
  #unlistedBytes = 0;

  private constructor(folder: string, options: DiskTierOptions, retention: RetentionPolicy) {
    this.#folder = folder;
    this.#options = options;
    this.#unpackers = new UnpackPool(options.format, options.unpackWorkerCount ?? 0);
    this.#order = retention();
  }

  /**
   * Lists what is there, oldest first, and deletes what a crash left unfinished.
   *
   * @throws {Deno.errors.PermissionDenied} And others, if the folder cannot be used.
   */
  static async open(
    options: DiskTierOptions,
    retention: RetentionPolicy = leastRecentlyUsed,
  ): Promise<DiskTier> {
    const folder = `${options.folder}/${options.format.root}`;
    await Deno.mkdir(folder, { recursive: true });
    const tier = new DiskTier(folder, options, retention);
    for await (const { name } of Deno.readDir(folder)) {
      if (name.endsWith(UNFINISHED)) await removeAbandoned(`${folder}/${name}`);
    }
    await tier.#list();
    return tier;
  }

  /** Keys of the blocks there are, those that go first first. */
  get keys(): string[] {
    return [...this.#order];
  }

  /** Bytes of all files. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Whether a block is there. */
  has(key: string): boolean {
    return this.#sizes.has(key);
  }

  /**
   * Writes a block unless another process has, and deletes others if there are too many bytes then.
   *
   * @returns Keys of deleted ones.
   * @throws What writing throws, as when the disk is full; nothing is left of the block then.
   */
  async write(block: StoredBlock): Promise<string[]> {
    const { key } = block;
    if (this.#sizes.has(key) || await this.#find(key)) return [];
    const bytes = packBlockFile(this.#options.format, block);
    await writeAtomically(this.#pathOf(key), bytes);
    this.#note(key, bytes.length);
    this.#unlistedBytes += bytes.length;
    if (this.#unlistedBytes > LIST_SHARE * this.#options.capacityBytes) await this.#list();
    const deleted: string[] = [];
    while (this.#usedBytes > this.#options.capacityBytes) {
      const victim = this.#order.victim()!;
      await this.remove(victim);
      deleted.push(victim);
    }
    return deleted;
  }

  /**
   * Which keys of blocks have a file, of whatever process. Looks for 16 blocks at once, and no
   * further than that beyond the first sealed one that is missing, so a prompt that is not there
   * costs 64 look-ups at most.
   *
   * @param wanted Blocks of a prompt, in its order.
   */
  async look(wanted: readonly WantedBlock[]): Promise<Set<string>> {
    const found = new Set<string>();
    let isBroken = false;
    for (let start = 0; start < wanted.length && !isBroken; start += LOOK_BLOCK_COUNT) {
      // A prompt begins up to a window behind its last sealed block: the next may have its tiles.
      const before = wanted.slice(Math.max(0, start - LOOK_BLOCK_COUNT), start);
      isBroken = before.some(({ sealed }) => sealed !== null && !found.has(sealed));
      const batch = wanted.slice(start, start + LOOK_BLOCK_COUNT);
      const keys = wantedKeys(batch);
      const isThere = await Promise.all(keys.map((key) => this.#find(key)));
      keys.forEach((key, index) => isThere[index] && found.add(key));
    }
    return found;
  }

  /** Reads a block; null if it is not there, or damaged, which deletes it. */
  async read(key: string): Promise<StoredBlock | null> {
    if (!this.#sizes.has(key)) return null;
    try {
      const bytes = await Deno.readFile(this.#pathOf(key));
      const block = await this.#unpackers.unpack(key, bytes);
      this.#order.touch(key);
      return block;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        this.#forget(key); // another process deleted it
        return null;
      }
      console.error(`packkv: dropping a block of the disk tier: ${(error as Error).message}`);
      await this.remove(key);
      return null;
    }
  }

  /** Ends the threads that read. */
  close(): void {
    this.#unpackers.close();
  }

  /** Deletes a block. */
  async remove(key: string): Promise<void> {
    this.#forget(key);
    await Deno.remove(this.#pathOf(key)).catch(() => {}); // another process did
  }

  /** Whether there is a file of a block, which is then noted. */
  async #find(key: string): Promise<boolean> {
    const stat = await Deno.stat(this.#pathOf(key)).catch(() => null);
    if (stat === null) this.#forget(key);
    else if (!this.#sizes.has(key)) this.#note(key, stat.size);
    return stat !== null;
  }

  /** Notes what is in the folder: files it did not know, oldest first, and those that are gone. */
  async #list(): Promise<void> {
    this.#unlistedBytes = 0;
    const names = new Set<string>();
    const added: { key: string; sizeBytes: number; modifiedMs: number }[] = [];
    for await (const { name, isFile } of Deno.readDir(this.#folder)) {
      if (!isFile || !isSharedKey(name)) continue;
      names.add(name);
      if (this.#sizes.has(name)) continue;
      const stat = await Deno.stat(this.#pathOf(name)).catch(() => null); // deleted since
      if (stat === null) continue;
      added.push({ key: name, sizeBytes: stat.size, modifiedMs: stat.mtime?.getTime() ?? 0 });
    }
    for (const key of [...this.#sizes.keys()]) if (!names.has(key)) this.#forget(key);
    added.sort((a, b) => a.modifiedMs - b.modifiedMs);
    for (const { key, sizeBytes } of added) if (!this.#sizes.has(key)) this.#note(key, sizeBytes);
  }

  #forget(key: string): void {
    this.#usedBytes -= this.#sizes.get(key) ?? 0;
    this.#sizes.delete(key);
    this.#order.drop(key);
  }

  #note(key: string, sizeBytes: number): void {
    this.#sizes.set(key, sizeBytes);
    this.#order.touch(key);
    this.#usedBytes += sizeBytes;
  }

  #pathOf(key: string): string {
    return `${this.#folder}/${key}`;
  }
}

/** Deletes an unfinished file unless a process may still be writing it. */
async function removeAbandoned(path: string): Promise<void> {
  try {
    const { mtime } = await Deno.stat(path);
    if (Date.now() - (mtime?.getTime() ?? 0) > UNFINISHED_AGE_MS) await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // finished since
  }
}
