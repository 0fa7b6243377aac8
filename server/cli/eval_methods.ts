/**
 * `packkv eval --methods`.
 *
 * @module
 */

import type { EvalText } from "../../src/evaluation/eval.ts";
import {
  compareMethods,
  type FollowedPrompt,
  type MethodReport,
} from "../../src/evaluation/methods/compare.ts";
import {
  type MethodProfile,
  type MethodRequest,
  parseMethods,
  resolveMethods,
} from "../../src/evaluation/methods/methods.ts";
import { type MethodRetrieval, methodRetrieval } from "../../src/evaluation/methods/retrieval.ts";
import { formatMethodRetrieval, formatMethods } from "../../src/evaluation/methods/table.ts";
import type { LoadedModel, OnProgress } from "../../src/runtime/load_model.ts";
import type { CodecRequest } from "./eval_codecs.ts";
import { type RetrievalRequest, retrievalTasks } from "./eval_retrieval.ts";
import type { Flags } from "./flags.ts";
import { UsageError, usageErrorOf } from "./usage_error.ts";

const DOCUMENT_COUNT_DEFAULT = 4;
const FOLLOW_COUNT_DEFAULT = 128;

/** What is asked of methods. */
export interface MethodsRequest {
  methods: readonly MethodRequest[];
  /** Prompts, at even distances of the text. */
  promptCount: number;
  /** Tokens that follow each. */
  followCount: number;
}

/**
 * Reads the flags of methods; null if none are asked for.
 *
 * @throws {UsageError} If one is wrong, or cannot be used with methods.
 */
export function readMethods(flags: Flags): MethodsRequest | null {
  const list = flags.text("methods");
  if (list === null) {
    if (flags.has("follow")) throw new UsageError("Cannot use --follow without --methods");
    return null;
  }
  const wrong = [
    "contexts",
    "from",
    "every",
    "copying",
    "read",
    "state",
    "window",
    "kept-attention",
  ].find((name) => flags.has(name));
  if (wrong) throw new UsageError(`Cannot use --${wrong} with --methods`);
  const count = { min: 1, max: 4096, isInteger: true };
  try {
    return {
      methods: parseMethods(list),
      promptCount: flags.number("documents", count) ?? DOCUMENT_COUNT_DEFAULT,
      followCount: flags.number("follow", { ...count, min: 2 }) ?? FOLLOW_COUNT_DEFAULT,
    };
  } catch (error) {
    return usageErrorOf(error);
  }
}

/** Profiles that methods can be measured beside. */
export function methodProfiles(codecs: readonly CodecRequest[]): MethodProfile[] {
  return codecs.map(({ name, profile }) => {
    if (profile !== null) return { name, profile };
    throw new UsageError(`Cannot use --methods with ${name}: a baseline packs nothing`);
  });
}

/** Compares methods on a text. */
export async function runMethods(
  model: LoadedModel,
  run: {
    request: MethodsRequest;
    text: EvalText;
    tokenCount: number;
    profiles: readonly MethodProfile[];
  },
  onProgress: OnProgress,
): Promise<{ reports: MethodReport[]; table: string }> {
  const { request, text, profiles } = run;
  const methods = await resolveMethods(model, request.methods);
  const prompts = promptsOf(text, { ...request, tokenCount: run.tokenCount });
  const plan = { textName: text.name, prompts, profiles, methods };
  const reports = await compareMethods(model, plan, onProgress);
  return { reports, table: formatMethods(reports) };
}

/** Asks methods for what is hidden in a text. */
export async function runMethodRetrieval(
  model: LoadedModel,
  run: {
    request: MethodsRequest;
    text: { name: string; text: string };
    retrieval: RetrievalRequest;
    profiles: readonly MethodProfile[];
  },
  onProgress: OnProgress,
): Promise<{ reports: MethodRetrieval[]; table: string }> {
  const { request, text, retrieval, profiles } = run;
  const methods = await resolveMethods(model, request.methods);
  const tasks = retrievalTasks(model, retrieval, text.text);
  const plan = { textName: text.name, tasks, profiles, methods };
  const reports = await methodRetrieval(model, plan, onProgress);
  return { reports, table: formatMethodRetrieval(reports) };
}

/** @throws {RangeError} If the text is too short. */
export function promptsOf(
  { name, ids }: Pick<EvalText, "name" | "ids">,
  { promptCount, followCount, tokenCount }: {
    promptCount: number;
    followCount: number;
    tokenCount: number;
  },
): FollowedPrompt[] {
  const length = tokenCount + followCount;
  if (ids.length < length) {
    throw new RangeError(`Cannot evaluate ${length} tokens: ${name} has ${ids.length}`);
  }
  const stride = promptCount === 1 ? 0 : Math.floor((ids.length - length) / (promptCount - 1));
  return Array.from({ length: promptCount }, (_, index) => {
    const start = index * stride;
    return {
      promptIds: ids.slice(start, start + tokenCount),
      followIds: ids.slice(start + tokenCount, start + length),
    };
  });
}
