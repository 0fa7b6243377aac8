/**
 * The device half of a codec: how blocks of one cache are sealed and read.
 *
 * @module
 */

import type { Gpu } from "../../gpu/gpu.ts";
import type { LanesVariant } from "../../kernels/text/lanes.ts";
import type { BlockReaders } from "../block_reader.ts";
import { BlockSealer, type SealKernels } from "../block_sealer.ts";
import type { KvCache } from "../kv_cache.ts";
import type { Sealer } from "../sealer.ts";

/** A cache, and the codec of its blocks. */
export interface CodecCache<C> {
  cache: KvCache;
  codec: C;
  /** Whether channels of records may be dropped; false if left out. */
  hasDropped?: boolean;
}

/** Why blocks of a codec cannot be made of parts of others. */
const NO_GATHER_KERNEL = "no kernel puts parts of its records together";

/** Why no channels of records of a codec can be dropped. */
export const WHOLE_RECORDS = "its records hold all channels";

/** Why values of a codec's records cannot lie apart from its keys. */
export const JOINT_SIDES = "no kernel reads the keys of its records alone";

/** Why rows cannot choose among blocks of a codec. */
export const UNPACKED_RECORDS = "its blocks are unpacked whole, for all heads at once";

/** How lanes of decode attention to a codec's blocks exchange values. */
export interface DecodeLanes {
  /** Of the kernel; what a choice is kept by. */
  operation: string;
  variants: readonly LanesVariant[];
}

/** Kernels of one codec. */
export interface DeviceCodec<C> {
  /** Null if no kernel reads records for single rows: they are unpacked to scratch. */
  readonly decodeLanes: DecodeLanes | null;
  /** Why blocks cannot be made of parts of others; null if they can. */
  gatherGap(codec: C): string | null;
  /** Why channels cannot be dropped of blocks made of parts of others; null if they can. */
  dropGap(): string | null;
  /** Why values cannot lie in host memory; null if they can. */
  valueGap(): string | null;
  /** Makes what seals blocks of a cache. */
  createSealer(gpu: Gpu, options: CodecCache<C>): Promise<Sealer>;
  /** Makes what attention reads blocks of a cache with. */
  createReaders(gpu: Gpu, options: CodecCache<C>): BlockReaders;
}

/** The gaps of a codec whose records are sealed and read whole alone. */
export const WHOLE_RECORDS_ONLY = {
  gatherGap: () => NO_GATHER_KERNEL,
  dropGap: () => WHOLE_RECORDS,
  valueGap: () => JOINT_SIDES,
};

/** `createSealer` of a codec, from what makes its kernels. */
export function sealerOf<C>(
  createKernels: (gpu: Gpu, options: CodecCache<C>) => Promise<SealKernels>,
): DeviceCodec<C>["createSealer"] {
  return async (gpu, options) => {
    const kernels = await createKernels(gpu, options);
    return new BlockSealer(gpu, { cache: options.cache, kernels });
  };
}
