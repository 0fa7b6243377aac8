/**
 * `packkv eval --read`.
 *
 * @module
 */

import type { EvalCodec } from "../../src/evaluation/codecs.ts";
import {
  evaluateReading,
  evaluateReadRetrieval,
  type ReadingPlan,
} from "../../src/evaluation/reading/reading.ts";
import {
  formatKeptAttention,
  formatNeededTokens,
  formatReading,
  formatReadRetrieval,
} from "../../src/evaluation/reading/reading_table.ts";
import {
  evaluateKeptAttention,
  type KeptAttentionReport,
  type NeededTokensReport,
} from "../../src/evaluation/reading/kept_attention.ts";
import type { RetrievalTask } from "../../src/evaluation/retrieval/cases.ts";
import type { LoadedModel, OnProgress } from "../../src/runtime/load_model.ts";
import { measuredReadMethod, READ_EVERYTHING } from "../../src/runtime/read_method.ts";
import type { Flags } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

/** Blocks of 64 tokens at the end of each text that are decoded. */
const BLOCK_COUNT_DEFAULT = 4;

/**
 * Reads the list of methods; null if none is asked for. Settings follow a name as in
 * `quest:blocks=8:dense=0`.
 *
 * @throws {UsageError} Naming what is wrong, or what it does not go with.
 */
export function readReadMethods(flags: Flags): ReadingPlan["methods"] | null {
  const list = flags.text("read");
  if (list === null) return null;
  for (const name of ["contexts", "from", "every", "state", "copying"]) {
    if (flags.has(name)) throw new UsageError(`Cannot use --${name} with --read`);
  }
  return list.split(",").map((item) => {
    const [name, ...settings] = item.split(":");
    const text = `${name}:${settings.join(",")}`;
    try {
      const method = measuredReadMethod(item === READ_EVERYTHING ? item : text);
      if (method !== null) return method;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UsageError(error.message);
    }
    throw new UsageError(`Cannot use --read ${item}: it is what all others are compared with`);
  });
}

/** First layers that read everything, and are left out. */
const DENSE_LAYER_COUNT = 2;

/** What `--kept-attention` asks for. */
export interface KeptAttentionRequest {
  /** Numbers of tokens. */
  budgets: readonly number[];
  /** Shares of the attention. */
  shares: readonly number[];
}

/** Stands before a share of the attention in the list of `--kept-attention`. */
const SHARE_PREFIX = "tau=";

/**
 * Reads `--kept-attention`; null if it is not asked for.
 *
 * @throws {UsageError} Naming what is wrong.
 */
export function readBudgets(flags: Flags): KeptAttentionRequest | null {
  const list = flags.text("kept-attention");
  if (list === null) return null;
  for (
    const name of ["contexts", "from", "every", "state", "copying", "retrieval", "read", "window"]
  ) {
    if (flags.has(name)) throw new UsageError(`Cannot use --${name} with --kept-attention`);
  }
  const [budgets, shares]: number[][] = [[], []];
  for (const item of list.split(",")) {
    const isShare = item.startsWith(SHARE_PREFIX);
    const amount = Number(isShare ? item.slice(SHARE_PREFIX.length) : item);
    const isIn = isShare ? amount > 0 && amount <= 1 : Number.isInteger(amount) && amount >= 64;
    if (isIn) (isShare ? shares : budgets).push(amount);
    else {
      throw new UsageError(
        `Cannot use --kept-attention ${list}: wanted numbers of tokens from 64, and shares of ` +
          "the attention as tau=0.98",
      );
    }
  }
  return { budgets, shares };
}

/** Measures what choices of so many tokens keep of the attention of each text. */
export async function runKeptAttention(
  model: LoadedModel,
  { request, texts, tokenCount }: {
    request: KeptAttentionRequest;
    texts: ReadingPlan["texts"];
    tokenCount: number;
  },
  onProgress: OnProgress,
): Promise<{ reports: unknown[]; table: string }> {
  const reports: (KeptAttentionReport | NeededTokensReport)[] = [];
  const tables: string[] = [];
  for (const { name, ids } of texts) {
    if (tokenCount % 64 !== 0 || ids.length < tokenCount || tokenCount < 256) {
      throw new UsageError(
        `Cannot use --tokens ${tokenCount} of ${name}, which has ${ids.length}: wanted a ` +
          "multiple of 64, at least 256",
      );
    }
    const plan = { name, ids: ids.slice(0, tokenCount), ...request };
    const options = { ...plan, denseLayerCount: DENSE_LAYER_COUNT };
    const { kept, needed } = await evaluateKeptAttention(model, options, onProgress);
    if (request.budgets.length > 0) {
      reports.push(...kept);
      tables.push(formatKeptAttention(kept));
    }
    if (request.shares.length > 0) {
      reports.push(...needed);
      tables.push(formatNeededTokens(needed));
    }
  }
  return { reports, table: tables.join("\n\n") };
}

/** Compares methods on texts, or by what they find again. */
export async function runReading(
  model: LoadedModel,
  { methods, codecs, texts, tokenCount, tasks }: {
    methods: ReadingPlan["methods"];
    codecs: readonly EvalCodec[];
    texts: ReadingPlan["texts"];
    tokenCount: number;
    tasks: readonly RetrievalTask[] | null;
  },
  onProgress: OnProgress,
): Promise<{ reports: unknown[]; table: string }> {
  const reports: unknown[] = [];
  const tables: string[] = [];
  for (const codec of codecs) {
    if (tasks !== null) {
      const own = await evaluateReadRetrieval(model, { codec, methods, tasks }, onProgress);
      reports.push(...own);
      tables.push(formatReadRetrieval(own));
      continue;
    }
    const blockCount = Math.min(BLOCK_COUNT_DEFAULT, Math.floor(tokenCount / 64) - 4);
    if (tokenCount % 64 !== 0 || blockCount < 1) {
      throw new UsageError(
        `Cannot use --tokens ${tokenCount} with --read: wanted a multiple of 64, at least 320`,
      );
    }
    const plan = { codec, methods, texts, contextLength: tokenCount, blockCount };
    const own = await evaluateReading(model, plan, onProgress);
    reports.push(...own);
    tables.push(formatReading(own));
  }
  return { reports, table: tables.join("\n\n") };
}
