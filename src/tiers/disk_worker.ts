/**
 * Entry of the disk worker: packs, checks, writes and reads blocks of the disk tier apart from the
 * thread that runs the steps.
 *
 * @module
 */

import type { WantedBlock } from "../scheduler/beginning.ts";
import type { StoredBlock } from "./block_file.ts";
import { DiskTier, type DiskTierOptions } from "./disk_tier.ts";

/** To the worker. */
export type ToDiskWorker =
  | { type: "open"; options: DiskTierOptions }
  | { type: "write"; block: StoredBlock }
  | { type: "look"; requestId: number; wanted: readonly WantedBlock[] }
  | { type: "fetch"; requestId: number; keys: readonly string[] }
  | { type: "close" };

/** From the worker. */
export type FromDiskWorker =
  | { type: "opened"; keys: readonly string[]; usedBytes: number }
  | { type: "failed"; message: string }
  | { type: "written"; key: string; deleted: readonly string[]; usedBytes: number }
  | { type: "not_written"; key: string; message: string }
  | {
    type: "looked";
    requestId: number;
    found: readonly string[];
    /** Keys that were looked for and are not there. */
    gone: readonly string[];
    usedBytes: number;
  }
  | { type: "fetched"; requestId: number; blocks: readonly StoredBlock[]; lost: readonly string[] }
  | { type: "closed" };

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToDiskWorker>) => void;
  postMessage(message: FromDiskWorker, transfer?: Transferable[]): void;
  close(): void;
};

let tier: DiskTier | null = null;
/** Writes are one after the other, so that closing can wait for them; reads pass them. */
let writing: Promise<void> = Promise.resolve();

scope.onmessage = ({ data }) => {
  switch (data.type) {
    case "open":
      return void open(data.options);
    case "write": {
      const { block } = data;
      writing = writing.then(() => write(block));
      return;
    }
    case "look":
      return void look(data.requestId, data.wanted);
    case "fetch":
      return void fetchBlocks(data.requestId, data.keys);
    case "close":
      return void writing.then(() => {
        scope.postMessage({ type: "closed" });
        scope.close();
      });
  }
};

async function open(options: DiskTierOptions): Promise<void> {
  try {
    tier = await DiskTier.open(options);
    scope.postMessage({ type: "opened", keys: tier.keys, usedBytes: tier.usedBytes });
  } catch (error) {
    scope.postMessage({ type: "failed", message: (error as Error).message });
  }
}

async function write(block: StoredBlock): Promise<void> {
  if (tier === null) return;
  const { key } = block;
  try {
    const deleted = await tier.write(block);
    scope.postMessage({ type: "written", key, deleted, usedBytes: tier.usedBytes });
  } catch (error) {
    scope.postMessage({ type: "not_written", key, message: (error as Error).message });
  }
}

async function look(requestId: number, wanted: readonly WantedBlock[]): Promise<void> {
  const found = await tier?.look(wanted) ?? new Set<string>();
  const keys = wanted.flatMap(({ sealed, raw }) => [sealed, raw]).filter((key) => key !== null);
  const gone = keys.filter((key) => !tier?.has(key));
  const usedBytes = tier?.usedBytes ?? 0;
  scope.postMessage({ type: "looked", requestId, found: [...found], gone, usedBytes });
}

async function fetchBlocks(requestId: number, keys: readonly string[]): Promise<void> {
  const found = await Promise.all(keys.map((key) => tier?.read(key) ?? null));
  const blocks = found.filter((block) => block !== null);
  const lost = keys.filter((_, index) => found[index] === null);
  const transfer = blocks.map(({ words }) => words.buffer);
  scope.postMessage({ type: "fetched", requestId, blocks, lost }, transfer);
}
