/**
 * What methods that keep less or share do to a model: prompts are read, the methods drop what they
 * do, and a text that is known goes on, its next tokens compared with those of the exact cache that
 * keeps everything.
 *
 * @module
 */

import { codecProfile, needsCalibration } from "../../codec/profile.ts";
import { BLOCK_TOKEN_COUNT, sealedBlockCount, WINDOW_BLOCK_COUNT } from "../../core/shapes.ts";
import { loadCalibration } from "../../runtime/calibration_source.ts";
import type { ModelPlan } from "../../model/plan.ts";
import type { LoadedModel, OnProgress } from "../../runtime/load_model.ts";
import { withSharedLayers } from "../../runtime/shared_model.ts";
import { Divergence, percentile } from "../divergence.ts";
import { type ExactRow, exactRow } from "../exact_row.ts";
import type { Method, MethodProfile } from "./methods.ts";
import { type PromptRun, PromptRuns, type PromptSize } from "../../runtime/prompt_runs.ts";

/** A prompt, and what follows it. */
export interface FollowedPrompt {
  promptIds: readonly number[];
  followIds: readonly number[];
}

/** What to measure. */
export interface MethodPlan {
  /** Of the text that prompts are from. */
  textName: string;
  /** All of one length, and what follows too. */
  prompts: readonly FollowedPrompt[];
  profiles: readonly MethodProfile[];
  methods: readonly Method[];
}

/** What a profile with a method takes of a prompt, in bytes on the device. */
export interface MethodBytes {
  /** The prompt as f16, of layers that see a window the newest tokens. */
  f16: number;
  /** Records of sealed tokens that stayed. */
  packed: number;
  /** Raw window. */
  window: number;
  /** Extents, directory, window and tables. */
  all_in: number;
}

/** What one profile with one method did; names as printed. */
export interface MethodReport {
  kind: "methods";
  text: string;
  model: string;
  profile: string;
  method: string;
  prompts: number;
  /** Tokens of a prompt. */
  tokens: number;
  /** Next tokens that were compared. */
  positions: number;
  kl_mean: number;
  kl_p50: number;
  kl_p99: number;
  /** Share with the same most likely token, 0 to 1. */
  same_top: number;
  ppl: number;
  ppl_exact: number;
  /** Share of the prompt's tokens that stayed, window counted, mean over layers that keep some. */
  kept: number;
  /** Layers that keep nothing. */
  shared_layers: number;
  bytes: MethodBytes;
  /** f16 bytes over `all_in`. */
  ratio: number;
  /** Median time of a step that decodes a token of what follows, in milliseconds. */
  decode_ms: number;
}

/** Runs all prompts with all profiles and methods; by profile, then by method. */
export async function compareMethods(
  model: LoadedModel,
  plan: MethodPlan,
  onProgress: OnProgress,
): Promise<MethodReport[]> {
  const runCount = plan.profiles.length * plan.methods.length;
  const exact = await exactRows(model, plan, (message, share) => {
    onProgress(message, share / (1 + runCount));
  });
  const reports: MethodReport[] = [];
  for (const profile of plan.profiles) {
    await forEachMethod(model, { ...plan, profile }, async (method, runs) => {
      const name = `${profile.name}, ${method.name}`;
      const report = await runMethod(
        model,
        plan,
        { profile, method, runs, exact },
        (message, share) => {
          onProgress(`${name}: ${message}`, (1 + reports.length + share) / (1 + runCount));
        },
      );
      reports.push(report);
    });
  }
  return reports;
}

/**
 * Calls `body` with each method and a cache of the profile: one for all methods of the same layers.
 */
export async function forEachMethod(
  model: LoadedModel,
  { profile: { profile }, methods, prompts, onProgress = () => {} }: {
    profile: MethodProfile;
    methods: readonly Method[];
    prompts: readonly FollowedPrompt[];
    onProgress?: OnProgress;
  },
  body: (method: Method, runs: PromptRuns) => Promise<void>,
): Promise<void> {
  const settings = codecProfile(profile);
  const calibration = needsCalibration(settings)
    ? await loadCalibration(model, settings, onProgress)
    : null;
  const lengths = prompts.map(({ promptIds, followIds }) => promptIds.length + followIds.length);
  const contextLength = Math.max(...lengths);
  for (const share of new Set(methods.map((method) => method.share))) {
    const own = methods.filter((method) => method.share === share);
    await withSharedLayers(model, own[0].sharedLayers, async (shared) => {
      const runs = await PromptRuns.create(shared, { profile, calibration, contextLength });
      try {
        for (const method of own) await body(method, runs);
      } finally {
        runs.destroy();
      }
    });
  }
}

/** By prompt and next token but the first, which no method touches. */
async function exactRows(
  model: LoadedModel,
  { prompts }: MethodPlan,
  onProgress: OnProgress,
): Promise<ExactRow[][]> {
  const all: Method = { name: "all", keep: null, share: null, sharedLayers: [] };
  const rows: ExactRow[][] = prompts.map(() => []);
  const options = {
    prompts,
    methods: [all],
    profile: { name: "exact", profile: { name: "exact" } } as const,
  };
  await forEachMethod(model, options, async (_, runs) => {
    for (const [index, { promptIds, followIds }] of prompts.entries()) {
      await runs.follow(promptIds, followIds, {
        keep: null,
        onRead: (share) => {
          const { length } = prompts;
          onProgress(`exact: prompt ${index + 1} of ${length}`, (index + share) / length);
        },
        onLogits(next, logits) {
          if (next > 0) rows[index].push(exactRow(logits, followIds[next]));
        },
      });
    }
  });
  return rows;
}

async function runMethod(
  model: LoadedModel,
  { textName, prompts }: MethodPlan,
  { profile, method, runs, exact }: {
    profile: MethodProfile;
    method: Method;
    runs: PromptRuns;
    exact: readonly (readonly ExactRow[])[];
  },
  onProgress: OnProgress,
): Promise<MethodReport> {
  const divergence = new Divergence();
  const sizes: PromptRun[] = [];
  for (const [index, { promptIds, followIds }] of prompts.entries()) {
    const onRead = (share: number) => {
      onProgress(`prompt ${index + 1} of ${prompts.length}`, (index + share) / prompts.length);
    };
    sizes.push(
      await runs.follow(promptIds, followIds, {
        keep: method.keep,
        onRead,
        onLogits(next, logits) {
          if (next > 0) divergence.add(exact[index][next - 1], logits, followIds[next]);
        },
      }),
    );
  }
  const { promptIds: { length: tokens } } = prompts[0];
  const { klMean, klPercentiles, ...summary } = divergence.summary();
  const bytes = bytesOf(model, { tokens, sizes, beside: runs.besideBytes });
  const decodeMs = sizes.flatMap((size) => size.decodeMs).sort((a, b) => a - b);
  return {
    kind: "methods",
    text: textName,
    model: model.shape.name,
    profile: profile.name,
    method: method.name,
    prompts: prompts.length,
    tokens,
    positions: summary.positionCount,
    kl_mean: klMean,
    kl_p50: klPercentiles.p50,
    kl_p99: klPercentiles.p99,
    same_top: summary.sameTop,
    ppl: summary.perplexity,
    ppl_exact: summary.perplexityExact,
    kept: keptShare(tokens, sizes),
    shared_layers: method.sharedLayers.length,
    bytes,
    ratio: bytes.f16 / bytes.all_in,
    decode_ms: percentile(decodeMs, 0.5),
  };
}

/** Tokens behind the sealed ones are in the raw window, of which nothing is dropped. */
function keptShare(tokens: number, sizes: readonly PromptSize[]): number {
  const windowTokens = tokens - sealedBlockCount(tokens, WINDOW_BLOCK_COUNT) * BLOCK_TOKEN_COUNT;
  return meanOf(sizes, ({ sealedTokens }) => (sealedTokens + windowTokens) / tokens);
}

function bytesOf(
  { plan }: LoadedModel,
  { tokens, sizes, beside }: {
    tokens: number;
    sizes: readonly PromptSize[];
    beside: { window: number; tables: number };
  },
): MethodBytes {
  const { window, tables } = beside;
  const allocated = meanOf(sizes, ({ bytes }) => bytes.allocated);
  return {
    f16: seenBytes(plan, tokens),
    packed: meanOf(sizes, ({ bytes }) => bytes.packed),
    window,
    all_in: allocated + window + tables,
  };
}

/** Bytes of keys and values as f16 that layers see at the end of `tokens` tokens. */
export function seenBytes({ layers }: ModelPlan, tokens: number): number {
  return layers.reduce((sum, { attention: { headShape, window } }) => {
    const seen = Math.min(tokens, window ?? tokens);
    return sum + seen * 2 * 2 * headShape.kvHeadCount * headShape.headSize;
  }, 0);
}

function meanOf<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((sum, value) => sum + of(value), 0) / values.length;
}
