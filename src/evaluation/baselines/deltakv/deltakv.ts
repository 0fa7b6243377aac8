import type { HeadShape } from "../../../codec/raw_tile.ts";
import type { BaselineBlock, BlockCodec } from "../baseline.ts";
import { Centres } from "./centres.ts";
import { Compressors } from "./compressor.ts";
import type { DeltaKvForm } from "./form.ts";
import { LatentForm } from "./latent_form.ts";
import { PackedForm } from "./packed_form.ts";
import { type DeltaKvSettings, SINK_TOKEN_COUNT } from "./settings.ts";
import { putTokens, tokenBlock } from "./tokens.ts";
import { Turning } from "./turning.ts";

/**
 * DeltaKV, arXiv:2602.08005: tokens are kept as what they differ by from the mean of the nearest
 * earlier centres, by L2 over keys before RoPE and values of all heads. Every so many tokens one is
 * a centre, and so are the first ones, which stay raw. As published some layers keep everything,
 * and tokens are read by the attention of those; here all layers are alike and all tokens are read.
 *
 * @throws {RangeError} If the file with compressors is none, or is of another model.
 */
export function deltakv(settings: DeltaKvSettings, shape: HeadShape): BlockCodec {
  const form = formOf(settings, shape);
  const { stride, neighbourCount } = settings;
  /** By layer. */
  let centres = new Map<number, Centres>();
  return {
    description: `DeltaKV: a centre every ${stride} tokens, the ${neighbourCount} nearest, ` +
      form.description,
    sinkTokenCount: SINK_TOKEN_COUNT,
    get bits() {
      return form.bits;
    },
    get codeBits() {
      return form.codeBits;
    },
    get fallbackShare() {
      return form.fallbackShare;
    },
    start() {
      centres = new Map();
      form.start();
    },
    readBackBlock(block: BaselineBlock) {
      const { layer, rope } = block;
      if (settings.compressor !== null && !rope.turnsWholeHeads) {
        throw new RangeError(
          `Cannot use compressors in layer ${layer}: RoPE turns a part of its heads only`,
        );
      }
      const own = centres.get(layer) ?? new Centres();
      centres.set(layer, own);
      const tokens = tokenBlock(block, new Turning(rope));
      form.readBack(tokens, own, layer);
      putTokens(block, tokens);
    },
  };
}

function formOf(settings: DeltaKvSettings, { kvHeadCount, headSize }: HeadShape): DeltaKvForm {
  const { bits, compressor } = settings;
  if (bits === null) return new PackedForm(settings, SINK_TOKEN_COUNT);
  const width = 2 * kvHeadCount * headSize;
  const compressors = compressor === null
    ? null
    : Compressors.load(compressor, { width, headSize });
  const options = { sinkCount: SINK_TOKEN_COUNT, width, compressors };
  return new LatentForm({ ...settings, bits }, options);
}
