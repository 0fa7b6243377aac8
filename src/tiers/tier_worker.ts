/**
 * Entry of a tier's worker: packs, checks, writes and reads blocks on disk or in a store, apart
 * from the thread that runs the steps.
 *
 * @module
 */

import { type WantedBlock, wantedKeys } from "../scheduler/beginning.ts";
import type { StoredBlock } from "./block_format.ts";
import { DiskTier, type DiskTierOptions } from "./disk_tier.ts";
import { StoreTier, type StoreTierOptions } from "./store_tier.ts";
import type { StoreCounts } from "./store_counts.ts";
import { unpackWorkerCount } from "./unpack_pool.ts";

/** How to open either tier. */
export type TierOptions = DiskTierOptions | StoreTierOptions;

/** To the worker. */
export type ToTierWorker =
  | { type: "open"; options: TierOptions }
  | { type: "write"; block: StoredBlock }
  | { type: "look"; requestId: number; wanted: readonly WantedBlock[] }
  | { type: "fetch"; requestId: number; keys: readonly string[]; savedMs: number | null }
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
  | { type: "block"; requestId: number; block: StoredBlock }
  | { type: "fetched"; requestId: number; lost: readonly string[] }
  | { type: "closed" };

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToTierWorker>) => void;
  postMessage(message: FromTierWorker, transfer?: Transferable[]): void;
  close(): void;
};

/** How often the counts of a store are reported, in milliseconds. */
const COUNTS_INTERVAL_MS = 200;

let tier: DiskTier | StoreTier | null = null;
/** Blocks written to a store at a time, and their bytes but for one block. */
const STORE_BATCH_COUNT = 32;
const STORE_BATCH_BYTES = 2 ** 22;

/** Blocks that wait to be written. */
const waiting: StoredBlock[] = [];
/** Writes are one batch after the other, so that closing can wait for them; reads pass them. */
let writing: Promise<void> = Promise.resolve();

scope.onmessage = ({ data }) => {
  switch (data.type) {
    case "open":
      return void open(data.options);
    case "write":
      if (waiting.push(data.block) === 1) writing = writing.then(writeWaiting);
      return;
    case "look":
      return void look(data.requestId, data.wanted);
    case "fetch":
      return void fetchBlocks(data);
    case "close":
      return void writing.then(() => {
        tier?.close();
        scope.postMessage({ type: "closed" });
        scope.close();
      });
  }
};

async function open(options: TierOptions): Promise<void> {
  try {
    const threads = { unpackWorkerCount: unpackWorkerCount(navigator.hardwareConcurrency) };
    tier = "url" in options
      ? await StoreTier.open({ ...threads, ...options })
      : await DiskTier.open({ ...threads, ...options });
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

async function writeWaiting(): Promise<void> {
  while (tier !== null && waiting.length > 0) {
    const batch = tier instanceof StoreTier ? storeBatch() : waiting.slice(0, 1);
    const outcomes = await write(tier, batch);
    waiting.splice(0, batch.length);
    outcomes.forEach((message) => scope.postMessage(message));
    if (!outcomes.some(({ type }) => type === "not_written")) continue;
    // The next ones would fail alike.
    for (const { key } of waiting.splice(0)) scope.postMessage({ type: "skipped", key });
  }
}

function storeBatch(): StoredBlock[] {
  let sizeBytes = 0;
  const end = waiting.findIndex(({ words }) => (sizeBytes += words.byteLength) > STORE_BATCH_BYTES);
  return waiting.slice(0, Math.min(STORE_BATCH_COUNT, end < 0 ? waiting.length : end + 1));
}

async function write(
  tier: DiskTier | StoreTier,
  blocks: readonly StoredBlock[],
): Promise<FromTierWorker[]> {
  if (tier instanceof DiskTier) return await Promise.all(blocks.map((block) => save(tier, block)));
  const { usedBytes } = tier;
  const outcomes = await tier.write(blocks);
  return blocks.map(({ key }, index) => {
    const outcome = outcomes[index];
    if (outcome === "skipped") return { type: "skipped", key };
    if (outcome === "there") return { type: "written", key, deleted: [], usedBytes };
    return { type: "not_written", key, message: outcome.message };
  });
}

async function save(disk: DiskTier, block: StoredBlock): Promise<FromTierWorker> {
  const { key } = block;
  try {
    const deleted = await disk.write(block);
    return { type: "written", key, deleted, usedBytes: disk.usedBytes };
  } catch (error) {
    return { type: "not_written", key, message: (error as Error).message };
  }
}

async function look(requestId: number, wanted: readonly WantedBlock[]): Promise<void> {
  const found = await tier?.look(wanted) ?? new Set<string>();
  const keys = wantedKeys(wanted);
  const gone = keys.filter((key) =>
    !found.has(key) && !(tier instanceof DiskTier && tier.has(key))
  );
  const usedBytes = tier?.usedBytes ?? 0;
  scope.postMessage({ type: "looked", requestId, found: [...found], gone, usedBytes });
}

/** Sends each block as soon as it is read: who asked may wait no longer than for some of them. */
async function fetchBlocks(
  { requestId, keys, savedMs }: ToTierWorker & { type: "fetch" },
): Promise<void> {
  const lost = new Set(keys);
  const found = (block: StoredBlock) => {
    lost.delete(block.key);
    scope.postMessage({ type: "block", requestId, block }, [block.words.buffer]);
  };
  if (tier instanceof StoreTier) await tier.read(keys, { found, savedMs });
  else if (tier !== null) await readFiles(tier, keys, found);
  scope.postMessage({ type: "fetched", requestId, lost: [...lost] });
}

async function readFiles(
  disk: DiskTier,
  keys: readonly string[],
  found: (block: StoredBlock) => void,
): Promise<void> {
  await Promise.all(keys.map(async (key) => {
    const block = await disk.read(key);
    if (block !== null) found(block);
  }));
}
