/**
 * The flags that say how many requests are served at a time, and what is kept for later ones.
 *
 * @module
 */

import type { EngineOptions, EvictionOrder } from "../../mod.ts";
import { readShare } from "../../src/runtime/share.ts";
import type { Flags, FlagSpecs } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

/** Flags of {@link readServingFlags}. */
export const SERVING_FLAGS: FlagSpecs = {
  queue: { value: "N", help: "requests that may wait for a slot; more get 429 (default: 64)" },
  "step-tokens": {
    value: "N",
    help: "prompt tokens of a step that also decodes, per prompt (default: 128, on a CPU 4)",
  },
  "prefix-cache": {
    value: "SWITCH",
    choices: ["on", "off"],
    help: "keep and share blocks of prompts that begin alike (default: on)",
  },
  keep: {
    value: "METHOD",
    help: "what stays of prompts: chunkkv:ratio=0.5, dbudgetkv, think:ratio=0.4, or all (off)",
  },
  read: {
    value: "METHOD",
    help: "what decoding reads of the context: quest:blocks=N, clusterkv:tokens=N, " +
      "hcattention:tau=SHARE (default: all)",
  },
  share: {
    value: "METHOD",
    help: "layers that read what others keep: kvsharer:N, kvsharer:FILE; or codes: xquant (off)",
  },
  "kv-eviction": {
    value: "ORDER",
    choices: ["adaptive", "recency", "conversations"],
    help: "which unused blocks go first: by what was asked for (default), recency, conversations",
  },
  speculation: {
    value: "SWITCH",
    choices: ["on", "off"],
    help: "guess tokens by what repeats, check several in a step; same text (default: on)",
  },
  "kv-host-memory": {
    value: "MIB",
    help: "host memory for shared blocks (default: 0, with --kv-disk or --kv-store 256)",
  },
  "kv-disk": { value: "DIR", help: "folder for shared blocks, found again after a restart" },
  "kv-disk-size": { value: "GIB", help: "most disk space for shared blocks (default: 16)" },
  "kv-store": {
    value: "URL",
    help:
      "Valkey or Redis for blocks that servers share: redis[s]://[user:password@]HOST:PORT[/DB]",
  },
  "kv-store-ttl": { value: "HOURS", help: "how long unused blocks stay there (default: 24)" },
  "kv-store-write-rate": {
    value: "MIB",
    help: "most MiB written there a second, 0 to only read (default: no limit)",
  },
  "kv-store-timeout": { value: "MS", help: "longest wait for an answer of it (default: 500)" },
};

/**
 * Reads the serving flags.
 *
 * @throws {UsageError} If one is out of its range.
 */
export function readServingFlags(flags: Flags): Partial<EngineOptions> {
  const options: Partial<EngineOptions> = {};
  const waitingCountMax = flags.number("queue", { min: 0, max: 100_000, isInteger: true });
  const stepTokenCountMax = flags.number("step-tokens", { min: 1, max: 4096, isInteger: true });
  if (waitingCountMax !== null) options.waitingCountMax = waitingCountMax;
  if (stepTokenCountMax !== null) options.stepTokenCountMax = stepTokenCountMax;
  if (flags.has("prefix-cache")) options.sharesPrefixes = flags.text("prefix-cache") === "on";
  const keep = flags.text("keep");
  if (keep !== null) options.keep = keep;
  const read = flags.text("read");
  if (read !== null) options.read = read;
  const eviction = flags.text("kv-eviction");
  if (eviction !== null) options.eviction = eviction as EvictionOrder;
  const share = flags.text("share");
  if (share !== null) options.share = checkedShare(share);
  if (flags.has("speculation")) options.speculates = flags.text("speculation") === "on";
  const hostMib = flags.number("kv-host-memory", { min: 0, max: 2 ** 22, unit: "MiB" });
  const diskGib = flags.number("kv-disk-size", { min: 0.001, max: 2 ** 20, unit: "GiB" });
  const diskFolder = flags.text("kv-disk");
  if (hostMib !== null) options.hostSizeBytes = Math.floor(hostMib * 2 ** 20);
  if (diskFolder !== null) options.diskFolder = diskFolder;
  if (diskGib !== null) {
    if (diskFolder === null) throw new UsageError("Cannot use --kv-disk-size without --kv-disk");
    options.diskSizeBytes = Math.floor(diskGib * 2 ** 30);
  }
  readStoreFlags(flags, options);
  const isKept = diskFolder !== null || options.storeUrl !== undefined;
  if (isKept && hostMib === 0) {
    const kept = diskFolder === null ? "--kv-store" : "--kv-disk";
    throw new UsageError(`Cannot use ${kept} with --kv-host-memory 0: blocks pass through it`);
  }
  if (options.sharesPrefixes === false && (isKept || (hostMib ?? 0) > 0)) {
    throw new UsageError(
      "Cannot use --kv-host-memory, --kv-disk or --kv-store with --prefix-cache off",
    );
  }
  return options;
}

/** @throws {UsageError} Naming what is wrong with the text. */
function checkedShare(text: string): string {
  try {
    readShare(text);
    return text;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function readStoreFlags(flags: Flags, options: Partial<EngineOptions>): void {
  const url = flags.text("kv-store");
  const ttlHours = flags.number("kv-store-ttl", { min: 0.001, max: 100_000, unit: "hours" });
  const rateMib = flags.number("kv-store-write-rate", { min: 0, max: 2 ** 20, unit: "MiB" });
  const timeoutMs = flags.number("kv-store-timeout", { min: 1, max: 60_000, unit: "ms" });
  if (url === null) {
    if (ttlHours === null && rateMib === null && timeoutMs === null) return;
    throw new UsageError("Cannot use settings of --kv-store without it");
  }
  if (!/^rediss?:$/.test(URL.parse(url)?.protocol ?? "")) {
    throw new UsageError("Cannot use --kv-store: wanted redis[s]://[user:password@]HOST:PORT[/DB]");
  }
  options.storeUrl = url;
  if (ttlHours !== null) options.storeTtlSeconds = Math.ceil(ttlHours * 3600);
  if (rateMib !== null) options.storeWriteBytesPerSecond = Math.floor(rateMib * 2 ** 20);
  if (timeoutMs !== null) options.storeTimeoutMs = timeoutMs;
}
