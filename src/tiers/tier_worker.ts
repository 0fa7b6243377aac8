/**
 * Entry of a tier's worker: packs, checks, writes and reads blocks on disk or in a store, apart
 * from the thread that runs the steps.
 *
 * @module
 */

import type { WantedBlock } from "../scheduler/beginning.ts";
import type { StoredBlock } from "./block_format.ts";
import { DiskTier, type DiskTierOptions } from "./disk_tier.ts";
import { StoreTier, type StoreTierOptions } from "./store_tier.ts";
import type { StoreCounts } from "./store_counts.ts";

/** How to open either tier. */
export type TierOptions = DiskTierOptions | StoreTierOptions;

/** To the worker. */
export type ToTierWorker =
  | { type: "open"; options: TierOptions }
  | { type: "write"; block: StoredBlock }
  | { type: "look"; requestId: number; wanted: readonly WantedBlock[] }
  | { type: "fetch"; requestId: number; keys: readonly string[] }
  | { type: "close" };

/** From the worker. */
export type FromTierWorker =
  | { type: "opened"; keys: readonly string[]; usedBytes: number }
  | { type: "failed"; message: string }
  | { type: "written"; key: string; deleted: readonly string[]; usedBytes: number }
  | { type: "skipped"; key: string }
  | { type: "counts"; counts: StoreCounts }
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
  onmessage: (event: MessageEvent<ToTierWorker>) => void;
  postMessage(message: FromTierWorker, transfer?: Transferable[]): void;
  close(): void;
};

/** How often the counts of a store are reported, in milliseconds. */
const COUNTS_INTERVAL_MS = 200;

let tier: DiskTier | StoreTier | null = null;
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
        if (tier instanceof StoreTier) tier.close();
        scope.postMessage({ type: "closed" });
        scope.close();
      });
  }
};

async function open(options: TierOptions): Promise<void> {
  try {
    tier = "url" in options ? await StoreTier.open(options) : await DiskTier.open(options);
    sendCounts();
    if (tier instanceof StoreTier) setInterval(sendCounts, COUNTS_INTERVAL_MS);
    scope.postMessage({ type: "opened", keys: tier.keys, usedBytes: tier.usedBytes });
  } catch (error) {
    scope.postMessage({ type: "failed", message: (error as Error).message });
  }
}

function sendCounts(): void {
  if (tier instanceof StoreTier) scope.postMessage({ type: "counts", counts: tier.counts });
}

async function write(block: StoredBlock): Promise<void> {
  if (tier === null) return;
  const { key } = block;
  try {
    const deleted = await tier.write(block);
    if (deleted === null) return scope.postMessage({ type: "skipped", key });
    scope.postMessage({ type: "written", key, deleted, usedBytes: tier.usedBytes });
  } catch (error) {
    scope.postMessage({ type: "not_written", key, message: (error as Error).message });
  }
}

async function look(requestId: number, wanted: readonly WantedBlock[]): Promise<void> {
  const found = await tier?.look(wanted) ?? new Set<string>();
  const keys = wanted.flatMap(({ sealed, raw }) => [sealed, raw]).filter((key) => key !== null);
  const gone = keys.filter((key) =>
    !found.has(key) && !(tier instanceof DiskTier && tier.has(key))
  );
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
