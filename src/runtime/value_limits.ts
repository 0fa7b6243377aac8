import type { AnyCodec } from "../codec/registry.ts";
import { EngineError } from "../core/errors.ts";
import { chooseGap, valueGap } from "../kvcache/codecs/registry.ts";
import type { ReadMethod } from "../kvcache/reading.ts";
import { checkedRead } from "./read_method.ts";
import type { LoadOptions } from "./types.ts";

/**
 * What decode rows read in a cache of a codec, by the text of the options.
 *
 * @throws {EngineError} `invalid_request` naming what is wrong, or cannot go together.
 */
export function checkedReading(
  options: Pick<LoadOptions, "read" | "keep" | "hostSizeBytes">,
  codec: AnyCodec,
): ReadMethod | null {
  const read = options.read === null ? null : checkedRead(options.read);
  checkValueLimits(read, { ...options, codec });
  return read;
}

/**
 * Refuses a codec among whose blocks no row can choose.
 *
 * @throws {EngineError} `invalid_request` that names both.
 */
export function checkChoice(read: ReadMethod | null, codec: AnyCodec): void {
  const gap = read && chooseGap(codec);
  if (read === null || gap === null) return;
  throw new EngineError(
    "invalid_request",
    `Cannot use --read ${read.id} with --profile ${codec.profile.name}: ${gap}`,
    { param: "read" },
  );
}

/**
 * Refuses what cannot go with values in host memory, beside keys on the device.
 *
 * @throws {EngineError} `invalid_request` that names what was asked for.
 */
export function checkValueLimits(
  read: ReadMethod | null,
  { codec, keep, hostSizeBytes }: Pick<LoadOptions, "keep" | "hostSizeBytes"> & {
    codec: AnyCodec;
  },
): void {
  if (read === null || read.valueShare === null) return;
  const refuse = (other: string, why: string) => {
    const message = `Cannot use --read ${read.id} with ${other}: ${why}`;
    throw new EngineError("invalid_request", message, { param: "read" });
  };
  const gap = valueGap(codec);
  if (gap !== null) {
    refuse(`--profile ${codec.profile.name}`, `${gap}; wanted balanced, near-lossless or tight`);
  }
  if (keep !== null) {
    refuse("--keep", "what stays of prompts is put together of whole records on the device");
  }
  if (hostSizeBytes > 0) {
    refuse("--kv-host-memory, --kv-disk or --kv-store", "these copy whole records of the device");
  }
}
