import type { KernelReport } from "./kernels.ts";
import type { ReportModel } from "./models.ts";
import type { ProductReport } from "./products.ts";
import { UNPACKED_COUNT } from "./codecs/banded.ts";
import { REPORT_BLOCK_COUNT, REPORT_DEPTH } from "./codecs/banded_cache.ts";

/** How fast a model can be by the times of its kernels, one after the other. */
export interface SpeedReport {
  model: string;
  type: string;
  /** Tokens that the sequence has. */
  depth: number;
  decodeTokensPerSecond: number;
  /**
   * By products, attention to sealed blocks and their unpacking, in slices of 64 tokens; null if
   * these were not measured.
   */
  prefillTokensPerSecond: number | null;
}

/** Adds up a token of a model, and a slice of 64, for each type of its weights. */
export function expectedSpeeds(
  model: ReportModel,
  { products, kernels }: { products: readonly ProductReport[]; kernels: readonly KernelReport[] },
): SpeedReport[] {
  const own = kernels.filter((each) => each.model === model.name);
  const find = (begin: string) => own.find(({ name }) => name.startsWith(begin));
  const timeOf = (begin: string) => find(begin)?.milliseconds ?? 0;
  const attentionMs = timeOf("attention, banded") + timeOf("attention, window") + timeOf("merge");
  const prefill = find("prefill attention");
  const unpackMs = timeOf("unpack") * REPORT_BLOCK_COUNT / UNPACKED_COUNT;
  return model.types.map((type) => {
    const rows = (rowCount: number) =>
      products.filter((each) =>
        each.model === model.name && each.type === type && each.rowCount === rowCount
      );
    const [single, slice] = [rows(1), rows(64)];
    const productMs = sumOf(single);
    const weightCount = single.reduce((sum, each) => sum + each.outputCount * each.columnCount, 0);
    const headMs = productMs * model.headShape[0] * model.headShape[1] / weightCount;
    const tokenMs = model.layerCount * (productMs + attentionMs) + headMs +
      timeOf("sample, top-p");
    return {
      model: model.name,
      type,
      depth: REPORT_DEPTH,
      decodeTokensPerSecond: 1000 / tokenMs,
      prefillTokensPerSecond: slice.length < single.length || prefill === undefined
        ? null
        : 64_000 / (model.layerCount * (sumOf(slice) + prefill.milliseconds + unpackMs)),
    };
  });
}

function sumOf(products: readonly ProductReport[]): number {
  return products.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
}
