/**
 * What an engine is asked for, checked before its model is read, with the defaults.
 *
 * @module
 */

import { DEFAULT_PROFILE_NAME } from "../codec/profile.ts";
import { WINDOW_TOKEN_COUNT, windowBlocks } from "../core/shapes.ts";
import type { LoadOptions } from "../runtime/types.ts";
import { readMethod } from "../runtime/read_method.ts";
import { readShare } from "../runtime/share.ts";
import { keepMethod } from "../scheduler/keep/registry.ts";
import { sealPolicy, type SealPolicyOptions } from "../scheduler/seal_policies/registry.ts";
import type { EngineOptions } from "./types.ts";

const SEQUENCE_COUNT_DEFAULT = 4;
const SEQUENCE_COUNT_MAX = 64;
const WAITING_COUNT_DEFAULT = 64;
const HOST_SIZE_BYTES_WITH_DISK = 256 * 2 ** 20;
const DISK_SIZE_BYTES_DEFAULT = 16 * 2 ** 30;

/** All but where the model is. */
export type FileOptions = Omit<EngineOptions, "modelPath">;

/**
 * All that does not depend on the model.
 *
 * @throws {RangeError} If an option is out of its range.
 */
export function loadOptions(
  options: FileOptions,
): Omit<LoadOptions, "header" | "eosIds" | "calibration" | "sharedLayers"> {
  return {
    contextLength: options.contextLength ?? null,
    profile: profileOf(options),
    sequenceCountMax: checkedSequenceCount(options.sequenceCountMax),
    waitingCountMax: options.waitingCountMax ?? WAITING_COUNT_DEFAULT,
    cacheSizeBytes: options.cacheSizeBytes ?? null,
    windowTokenCount: checkedWindow(options.windowTokenCount),
    adapter: {
      webgpu: options.webgpu ?? "deno",
      power: options.adapterPower ?? "high-performance",
      ...(options.adapterName === undefined ? {} : { adapterName: options.adapterName }),
    },
    stepTokenCountMax: checkedStepTokenCount(options.stepTokenCountMax),
    math: options.math ?? "f32",
    tune: options.tune ?? "on",
    sealPolicy: checkedSealPolicy(options.sealPolicy),
    keep: checkedKeepText(options.keep),
    read: checkedReadText(options.read),
    sharesPrefixes: options.sharesPrefixes ?? true,
    eviction: options.eviction ?? "adaptive",
    speculates: options.speculates ?? true,
    ...tierOptions(options),
    reportsBlocks: options.onBlockEvents !== undefined,
  };
}

/** The profile, which layers that share may name. */
function profileOf({ profile, share }: FileOptions): LoadOptions["profile"] {
  const sharing = share === undefined ? null : readShare(share).profile;
  if (sharing !== null && profile !== undefined) {
    throw new RangeError(
      `Cannot use share ${share} with profile ${profile.name}: ${sharing.name} is a codec of its ` +
        "own, whose layers read each other's codes; wanted one of the two",
    );
  }
  return sharing ?? profile ?? { name: DEFAULT_PROFILE_NAME };
}

function checkedWindow(asked: number = WINDOW_TOKEN_COUNT): number {
  windowBlocks(asked);
  return asked;
}

function checkedSequenceCount(asked: number = SEQUENCE_COUNT_DEFAULT): number {
  if (Number.isInteger(asked) && asked >= 1 && asked <= SEQUENCE_COUNT_MAX) return asked;
  throw new RangeError(
    `Cannot run ${asked} sequences at a time: wanted 1 to ${SEQUENCE_COUNT_MAX}`,
  );
}

function tierOptions(
  options: FileOptions,
): Pick<LoadOptions, "hostSizeBytes" | "disk" | "store"> {
  const { diskFolder, diskSizeBytes = DISK_SIZE_BYTES_DEFAULT, sharesPrefixes = true } = options;
  const hasDisk = diskFolder !== undefined;
  const store = storeOptions(options);
  const isKept = hasDisk || store !== null;
  const hostSizeBytes = options.hostSizeBytes ?? (isKept ? HOST_SIZE_BYTES_WITH_DISK : 0);
  if (!sharesPrefixes && (hostSizeBytes > 0 || isKept)) {
    throw new RangeError(
      "Cannot keep blocks on host, on disk or in a store: prefixes are not shared",
    );
  }
  if (isKept && hostSizeBytes === 0) {
    throw new RangeError(
      "Cannot keep blocks on disk or in a store without host memory: hostSizeBytes is 0",
    );
  }
  return {
    hostSizeBytes,
    store,
    disk: hasDisk ? { folder: diskFolder, sizeBytes: diskSizeBytes } : null,
  };
}

function storeOptions(options: FileOptions): LoadOptions["store"] {
  const { storeUrl: url, storeTtlSeconds: ttlSeconds = 86_400, storeTimeoutMs: timeoutMs = 500 } =
    options;
  if (url === undefined) return null;
  if (!/^rediss?:$/.test(URL.parse(url)?.protocol ?? "")) {
    throw new RangeError("Cannot use the store: wanted redis://[user:password@]HOST:PORT[/DB]");
  }
  const writeBytesPerSecond = options.storeWriteBytesPerSecond ?? null;
  if (!(ttlSeconds >= 1 && timeoutMs >= 1 && (writeBytesPerSecond ?? 0) >= 0)) {
    throw new RangeError("Cannot use the store: wanted a TTL and a time-out from 1, a rate from 0");
  }
  return { url, ttlSeconds, timeoutMs, writeBytesPerSecond };
}

/** @throws {RangeError} If a setting is out of its range. */
function checkedSealPolicy(asked: SealPolicyOptions = { name: "keep-all" }): SealPolicyOptions {
  sealPolicy(asked);
  return asked;
}

/** @throws {RangeError} Naming what is wrong and what would be right. */
function checkedKeepText(text: string | undefined): string | null {
  if (text !== undefined) keepMethod(text);
  return text ?? null;
}

/** @throws {RangeError} Naming what is wrong and what would be right. */
function checkedReadText(text: string | undefined): string | null {
  return text === undefined || readMethod(text) === null ? null : text;
}

function checkedStepTokenCount(asked: number | undefined): number | null {
  if (asked === undefined) return null;
  if (Number.isInteger(asked) && asked >= 1) return asked;
  throw new RangeError(`Cannot run steps of ${asked} tokens: wanted at least 1`);
}
