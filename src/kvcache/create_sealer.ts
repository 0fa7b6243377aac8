import type { AnyCodec } from "../codec/registry.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { BandedSealer } from "./banded_sealer.ts";
import type { KvCache } from "./kv_cache.ts";
import { PaperSealer } from "./paper_sealer.ts";
import { RawSealer } from "./raw_sealer.ts";
import type { Sealer } from "./sealer.ts";

/** Makes the sealer of a codec. */
export async function createSealer(
  gpu: Gpu,
  options: { cache: KvCache; codec: AnyCodec },
): Promise<Sealer> {
  const { cache, codec } = options;
  switch (codec.id) {
    case "raw":
      return new RawSealer(cache);
    case "paper":
      return await PaperSealer.create(gpu, { cache, codec });
    case "banded":
      return await BandedSealer.create(gpu, { cache, codec });
  }
}
