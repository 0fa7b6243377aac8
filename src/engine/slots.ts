/**
 * Saving, restoring and erasing what the cache has of the sequence that ran last in a slot.
 *
 * @module
 */

import { EngineError } from "../core/errors.ts";
import { BLOCK_TOKEN_COUNT, WORD_SIZE_BYTES } from "../core/shapes.ts";
import { writeAtomically } from "../tiers/atomic_file.ts";
import type { StoredBlock } from "../tiers/block_format.ts";
import { packSequence, parseSequence } from "../tiers/sequence_file.ts";
import { sizesOf } from "../scheduler/block_memory.ts";
import { kindOfKey } from "../scheduler/block_key.ts";
import type { HeldBlock, PromptOf } from "../scheduler/shelf.ts";
import { keptPrompt } from "../runtime/kept_prompt.ts";
import { storageFailure } from "./storage_failure.ts";
import type { Runtime } from "../runtime/load.ts";
import type { SlotInfo, SlotOutcome } from "./types.ts";

/** What a slot action needs to know of the runtime. */
export type SlotRuntime = Pick<Runtime, "driver" | "info" | "sequenceFormat">;

/** The slots of one runtime. */
export class Slots {
  #runtime: SlotRuntime;
  /** Of the sequence that started last, or was restored, by slot. */
  #prompts = new Map<number, PromptOf>();

  constructor(runtime: SlotRuntime) {
    this.#runtime = runtime;
  }

  /** Notes a sequence that starts in a slot. */
  note(slot: number, prompt: PromptOf): void {
    this.#prompts.set(slot, prompt);
  }

  /** All slots. */
  slots(): SlotInfo[] {
    const { info, driver: { scheduler, runner } } = this.#runtime;
    const running = new Map(scheduler.slots().map((stats) => [stats.slot, stats]));
    const { tileWords } = runner.cache.shape;
    const tokenBytes = tileWords / BLOCK_TOKEN_COUNT * WORD_SIZE_BYTES;
    return Array.from({ length: info.sequenceCountMax }, (_, slot): SlotInfo => {
      const stats = running.get(slot);
      return {
        slot,
        phase: stats?.phase ?? "idle",
        promptTokenCount: stats?.promptTokenCount ?? this.#prompts.get(slot)?.promptIds.length ?? 0,
        cachedTokenCount: stats?.cachedTokenCount ?? 0,
        generatedTokenCount: stats?.generatedTokenCount ?? 0,
        storedTokenCount: stats?.storedTokenCount ?? 0,
        rawBytes: (stats?.sealedTokenCount ?? 0) * tokenBytes,
        packedBytes: (stats?.packedWordCount ?? 0) * WORD_SIZE_BYTES,
        kept: stats?.kept ? keptPrompt(stats.kept, runner.cache.shape) : null,
      };
    });
  }

  /**
   * Writes what the cache has of the prompt of a slot's last sequence, to a temporary name that is
   * then renamed.
   *
   * @throws {EngineError} `invalid_request` if there is nothing; `storage_full` or
   * `storage_failed` if the file cannot be written.
   */
  async save(slot: number, path: string): Promise<SlotOutcome> {
    const { driver: { scheduler }, sequenceFormat } = this.#runtime;
    const prompt = this.#promptOf(slot, "save");
    this.#refuseApart(`save slot ${slot}`);
    const held = scheduler.shelf.hold(prompt);
    try {
      if (held.tokenCount === 0) {
        refuse(`Cannot save slot ${slot}: the cache has no whole block of its prompt`);
      }
      const blocks: StoredBlock[] = [];
      for (const block of held.blocks) blocks.push(await this.#read(block));
      const { tokenCount } = held;
      const tokenIds = prompt.promptIds;
      const bytes = await packSequence(sequenceFormat, { tokenIds, tokenCount, blocks });
      await writeAtomically(path, bytes).catch((error) => {
        throw storageFailure(`save slot ${slot}`, error);
      });
      return { tokenCount, sizeBytes: bytes.length };
    } finally {
      scheduler.shelf.giveBack(held);
    }
  }

  /**
   * Puts a saved sequence into the cache; prompts that begin with its tokens skip these.
   *
   * @throws {EngineError} `invalid_request` or `storage_failed` with the reason, and nothing
   * changed.
   */
  async restore(slot: number, path: string): Promise<SlotOutcome> {
    const { driver: { scheduler, runner }, info } = this.#runtime;
    if (!info.sharesPrefixes) refuse("Cannot restore a sequence: blocks are not kept");
    this.#refuseApart(`restore slot ${slot}`);
    if (scheduler.slots().some((stats) => stats.slot === slot)) {
      refuse(`Cannot restore slot ${slot}: a sequence runs in it`);
    }
    const bytes = await Deno.readFile(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw storageFailure(`restore slot ${slot}`, error);
      }
      return refuse(`Cannot restore slot ${slot}: there is no such file`, "filename");
    });
    const { tokenIds, tokenCount, blocks } = await this.#parse(bytes);
    if (tokenIds.length > info.contextLength) {
      refuse(
        `Cannot restore slot ${slot}: it has ${tokenIds.length} tokens, the context holds ` +
          `${info.contextLength}`,
      );
    }
    const prompt = { promptIds: tokenIds, cacheSalt: "" };
    // Named again: a name depends on the adapter, the bytes may come from another one.
    const keys = scheduler.shelf.keysOf(prompt, tokenCount);
    const entries = blocks.map((block, index) => {
      const { key, words } = block;
      return { key: keys[index], kind: kindOfKey(key), ...sizesOf(block), words };
    });
    if (!scheduler.shelf.adopt(entries)) {
      refuse(`Cannot restore slot ${slot}: the KV cache has no room for its ${tokenCount} tokens`);
    }
    for (const { key, words } of entries) runner.host.stage(key, words);
    this.#prompts.set(slot, prompt);
    return { tokenCount, sizeBytes: bytes.length };
  }

  /**
   * Removes the prompt of a slot's last sequence from the cache.
   *
   * @throws {EngineError} `invalid_request` if there is none, or it runs.
   */
  erase(slot: number): SlotOutcome {
    const { scheduler } = this.#runtime.driver;
    const prompt = this.#promptOf(slot, "erase");
    if (scheduler.slots().some((stats) => stats.slot === slot)) {
      refuse(`Cannot erase slot ${slot}: a sequence runs in it`);
    }
    const held = scheduler.shelf.hold(prompt);
    scheduler.shelf.giveBack(held);
    scheduler.shelf.forget(prompt);
    this.#prompts.delete(slot);
    return { tokenCount: held.tokenCount, sizeBytes: 0 };
  }

  /** Files hold whole records. */
  #refuseApart(action: string): void {
    const { driver: { runner }, info } = this.#runtime;
    if (runner.hostValues === null) return;
    refuse(`Cannot ${action}: with --read ${info.read} the device has no whole records`);
  }

  #promptOf(slot: number, action: string): PromptOf {
    return this.#prompts.get(slot) ??
      refuse(`Cannot ${action} slot ${slot}: nothing ran in it yet`);
  }

  async #parse(bytes: Uint8Array<ArrayBuffer>) {
    try {
      const saved = await parseSequence(this.#runtime.sequenceFormat, bytes);
      const { tokenCount, tokenIds } = saved;
      const isSound = tokenCount % BLOCK_TOKEN_COUNT === 0 && tokenCount <= tokenIds.length;
      return isSound ? saved : refuse(`Cannot restore: ${tokenCount} tokens of ${tokenIds.length}`);
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
      return refuse(error.message);
    }
  }

  async #read(block: HeldBlock): Promise<StoredBlock> {
    const { key, extents } = block;
    const { host } = this.#runtime.driver.runner;
    const words = extents === null ? host.blocks.get(key) : await host.readBlock(extents);
    if (words === undefined) refuse(`Cannot save block ${key}: it is gone from the host`);
    return { key, ...sizesOf(block), words: words! };
  }
}

function refuse(message: string, param?: string): never {
  throw new EngineError("invalid_request", message, param === undefined ? {} : { param });
}
