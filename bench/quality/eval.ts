/**
 * Quality of a codec profile on a text: teacher-forced, each token read from the cache in the state
 * it would have in decode, compared with the exact cache position by position.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../../src/core/shapes.ts";
import type { LoadedModel } from "../../src/engine/load_model.ts";
import { createSequenceRun, type SequenceRun } from "../../src/engine/sequence_run.ts";
import type { CacheBytes, ProfileOptions } from "../../src/engine/types.ts";
import { Divergence } from "./divergence.ts";

/** What to measure. */
export interface EvalOptions {
  profile: ProfileOptions;
  /** Token ids of the text; one more than `tokenCount`. */
  ids: readonly number[];
  /** Positions fed. */
  tokenCount: number;
  /** First position whose prediction is compared. */
  from: number;
  onProgress?: (message: string, fraction: number) => void;
}

/** The report of `packkv eval --json`; names as printed. */
export interface EvalReport {
  profile: string;
  tokens: number;
  from: number;
  kl_mean: number;
  kl_p50: number;
  kl_p99: number;
  kl_p999: number;
  same_top: number;
  ppl: number;
  ppl_exact: number;
  /** f16 bytes of the sealed tokens over packed bytes. */
  ratio: number;
  /** Bits per element of sealed blocks, all side data counted. */
  bits: { k: number; v: number };
  bytes: CacheBytes;
}

/** Runs the text through the exact cache and the profile's side by side. */
export async function evaluate(model: LoadedModel, options: EvalOptions): Promise<EvalReport> {
  const { ids, tokenCount, from, profile, onProgress } = options;
  checkCounts(options);
  const promptIds = ids.slice(0, tokenCount);
  const exact = await createSequenceRun(model, { profile: { name: "exact" }, promptIds });
  const other = await createSequenceRun(model, { profile, promptIds });
  const divergence = new Divergence();
  try {
    for (let position = 0; position < tokenCount; position += BLOCK_TOKEN_COUNT) {
      onProgress?.(`${position} of ${tokenCount} tokens`, position / tokenCount);
      await step(exact, other, { position, options, divergence });
    }
    return report(other, options, divergence);
  } finally {
    exact.destroy();
    other.destroy();
    onProgress?.(`${tokenCount} of ${tokenCount} tokens (from ${from})`, 1);
  }
}

async function step(
  exact: SequenceRun,
  other: SequenceRun,
  at: { position: number; options: EvalOptions; divergence: Divergence },
): Promise<void> {
  const { position, options, divergence } = at;
  const wantsLogits = position + BLOCK_TOKEN_COUNT > options.from;
  const exactRows = await exact.nextSlice({ wantsLogits });
  const otherRows = await other.nextSlice({ wantsLogits });
  for (let row = 0; row < exactRows.length; row++) {
    if (position + row < options.from) continue;
    divergence.add(exactRows[row], otherRows[row], options.ids[position + row + 1]);
  }
}

function report(run: SequenceRun, options: EvalOptions, divergence: Divergence): EvalReport {
  const { klMean, klPercentiles, sameTop, perplexity, perplexityExact } = divergence.summary();
  const bytes = run.cacheBytes();
  return {
    profile: run.profileText,
    tokens: options.tokenCount,
    from: options.from,
    kl_mean: klMean,
    kl_p50: klPercentiles.p50,
    kl_p99: klPercentiles.p99,
    kl_p999: klPercentiles.p999,
    same_top: sameTop,
    ppl: perplexity,
    ppl_exact: perplexityExact,
    ratio: bytes.packed === 0 ? 1 : bytes.raw / bytes.packed,
    bits: run.bitsPerElement(),
    bytes,
  };
}

function checkCounts({ ids, tokenCount, from }: EvalOptions): void {
  if (ids.length < tokenCount + 1) {
    throw new RangeError(
      `Cannot evaluate ${tokenCount} tokens: the text has ${ids.length}, wanted ${tokenCount + 1}`,
    );
  }
  if (!(from >= 0 && from < tokenCount)) {
    throw new RangeError(`Cannot evaluate from token ${from}: wanted 0 to ${tokenCount - 1}`);
  }
}

/** The report as a table for people. */
export function formatReport(report: EvalReport): string {
  const { bits, bytes } = report;
  const rows: [string, string][] = [
    ["profile", report.profile],
    ["tokens", `${report.tokens}, compared from ${report.from}`],
    ["mean KL to exact", report.kl_mean.toFixed(4)],
    [
      "KL, 50 / 99 / 99.9%",
      [report.kl_p50, report.kl_p99, report.kl_p999]
        .map((kl) => kl.toFixed(4)).join(" / "),
    ],
    ["same top token", `${(100 * report.same_top).toFixed(1)}%`],
    ["perplexity", `${report.ppl.toFixed(3)} (exact ${report.ppl_exact.toFixed(3)})`],
    ["times smaller", report.ratio.toFixed(2)],
    ["bits per element", `K ${bits.k.toFixed(2)}, V ${bits.v.toFixed(2)}`],
    ["bytes raw f16", String(bytes.raw)],
    ["bytes payload", String(bytes.payload)],
    ["bytes packed", String(bytes.packed)],
    ["bytes allocated", String(bytes.allocated)],
  ];
  return rows.map(([name, value]) => `${name.padEnd(20)} ${value}`).join("\n");
}
