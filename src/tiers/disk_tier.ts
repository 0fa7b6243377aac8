/**
 * Blocks in files, one each, in a folder of their cache. A file has its final name only when it is
 * whole and on the disk; what is read is checked; the index is the list of files.
 *
 * @module
 */

import { isSharedKey } from "../scheduler/block_key.ts";
import { leastRecentlyUsed, type Retention, type RetentionPolicy } from "../scheduler/retention.ts";
import { UNFINISHED, writeAtomically } from "./atomic_file.ts";
import { type BlockFormat, packBlockFile, parseBlockFile, type StoredBlock } from "./block_file.ts";

/** How to open a tier. */
export interface DiskTierOptions {
  /** Holds a folder for each cache; made if it is not there. */
  folder: string;
  format: BlockFormat;
  /** Most bytes of all files of this cache. */
  capacityBytes: number;
}

/** The blocks of one cache on disk. */
export class DiskTier {
  #folder: string;
  #options: DiskTierOptions;
  /** Bytes by key. */
  #sizes = new Map<string, number>();
  #order: Retention<string>;
  #usedBytes = 0;

  private constructor(folder: string, options: DiskTierOptions, retention: RetentionPolicy) {
    this.#folder = folder;
    this.#options = options;
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
    const found: { key: string; sizeBytes: number; modifiedMs: number }[] = [];
    for await (const { name, isFile } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      if (name.endsWith(UNFINISHED)) await Deno.remove(path);
      if (!isFile || !isSharedKey(name)) continue;
      const { size, mtime } = await Deno.stat(path);
      found.push({ key: name, sizeBytes: size, modifiedMs: mtime?.getTime() ?? 0 });
    }
    found.sort((a, b) => a.modifiedMs - b.modifiedMs);
    for (const { key, sizeBytes } of found) tier.#note(key, sizeBytes);
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
   * Writes a block, and deletes others if there are too many bytes then.
   *
   * @returns Keys of deleted ones.
   * @throws What writing throws, as when the disk is full; nothing is left of the block then.
   */
  async write(block: StoredBlock): Promise<string[]> {
    if (this.#sizes.has(block.key)) return [];
    const bytes = packBlockFile(this.#options.format, block);
    await writeAtomically(this.#pathOf(block.key), bytes);
    this.#note(block.key, bytes.length);
    const deleted: string[] = [];
    while (this.#usedBytes > this.#options.capacityBytes) {
      const victim = this.#order.victim()!;
      await this.remove(victim);
      deleted.push(victim);
    }
    return deleted;
  }

  /** Reads a block; null if it is not there, or damaged, which deletes it. */
  async read(key: string): Promise<StoredBlock | null> {
    if (!this.#sizes.has(key)) return null;
    try {
      const block = parseBlockFile(
        this.#options.format,
        key,
        await Deno.readFile(this.#pathOf(key)),
      );
      this.#order.touch(key);
      return block;
    } catch (error) {
      console.error(`packkv: dropping a block of the disk tier: ${(error as Error).message}`);
      await this.remove(key);
      return null;
    }
  }

  /** Deletes a block. */
  async remove(key: string): Promise<void> {
    this.#usedBytes -= this.#sizes.get(key) ?? 0;
    this.#sizes.delete(key);
    this.#order.drop(key);
    await Deno.remove(this.#pathOf(key)).catch(() => {}); // another process did
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
