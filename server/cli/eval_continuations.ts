/**
 * `packkv eval --continuations`.
 *
 * @module
 */

import { basename } from "node:path";
import type { ProfileOptions } from "../../src/codec/profile_types.ts";
import { createEngineOf } from "../../src/engine/client.ts";
import { describeCodec } from "../../src/evaluation/codecs.ts";
import {
  type ContinuationReport,
  type ContinuationResult,
  evaluateContinuations,
} from "../../src/evaluation/continuations/continuations.ts";
import { EvalState, fileIdentity, idsDigest } from "../../src/evaluation/state.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { withBos } from "../../src/tokenizer/with_bos.ts";
import { engineAdapter } from "./adapter_flags.ts";
import type { CodecRequest } from "./eval_codecs.ts";
import type { Flags } from "./flags.ts";
import { measuredName, type MeasuredSetup } from "./measured_model.ts";
import { UsageError, usageErrorOf } from "./usage_error.ts";

const PROMPT_COUNT_DEFAULT = 64;
const PROMPT_TOKENS_DEFAULT = 512;
const LENGTH_DEFAULT = 512;
const SEED_DEFAULT = 1;
/** Sequences that an engine runs at a time. */
const SEQUENCE_COUNT = 8;

/** What is asked of free running. */
export interface ContinuationRequest {
  promptCount: number;
  promptTokens: number;
  length: number;
  seed: number;
}

/**
 * Reads the flags of free running; null if it is not asked for.
 *
 * @throws {UsageError} If a flag of it is given without it, or one of another test with it.
 */
export function readContinuations(flags: Flags): ContinuationRequest | null {
  const isAsked = flags.has("continuations");
  const others = [
    ...["contexts", "from", "every", "retrieval", "copying", "cases", "documents", "form"],
    ...["pieces", "read", "kept-attention", "methods"],
  ];
  for (const name of isAsked ? others : ["prompts", "length"]) {
    if (!flags.has(name)) continue;
    throw new UsageError(`Cannot use --${name} ${isAsked ? "with" : "without"} --continuations`);
  }
  if (!isAsked) return null;
  if (flags.text("text")?.includes(",")) {
    throw new UsageError("Cannot use several texts with --continuations");
  }
  const count = { min: 1, max: 2 ** 20, isInteger: true };
  return {
    promptCount: flags.number("prompts", count) ?? PROMPT_COUNT_DEFAULT,
    promptTokens: flags.number("tokens", count) ?? PROMPT_TOKENS_DEFAULT,
    length: flags.number("length", count) ?? LENGTH_DEFAULT,
    seed: flags.number("seed", { ...count, min: 0, max: 2 ** 24 }) ?? SEED_DEFAULT,
  };
}

/** Continues pieces of the text, evenly spread over it, with every profile and window. */
export async function runContinuations(
  run: {
    modelPath: string;
    setup: MeasuredSetup;
    continuations: ContinuationRequest;
    text: { name: string; text: string };
    codecs: readonly CodecRequest[];
    windowTokenCount: number;
    stateFolder: string | null;
  },
  onProgress: (message: string, share: number) => void,
): Promise<ContinuationReport[]> {
  const { setup, continuations, text, windowTokenCount, stateFolder } = run;
  const { promptCount, promptTokens, length, seed } = continuations;
  const file = await readGguf(run.modelPath);
  const tokenizer = createTokenizer(file.metadata, file.tensors);
  const ids = tokenizer.tokenize(text.text, { parseSpecial: false });
  if (ids.length < promptCount * promptTokens) {
    throw new UsageError(
      `Cannot make ${promptCount} prompts of ${promptTokens} tokens: ${text.name} has ` +
        `${ids.length}`,
    );
  }
  const stride = Math.floor(ids.length / promptCount);
  const prompts = Array.from(
    { length: promptCount },
    (_, at) => withBos(tokenizer, ids.slice(at * stride, at * stride + promptTokens)),
  );
  const profiles = run.codecs.map(({ name, profile }) => ({
    name,
    profile: profileOf(name, profile),
  }));
  const codecs = profiles.map(({ name, profile }) =>
    describeCodec({ name, profile, baseline: null, windowTokenCount })
  );
  const state = await EvalState.open<ContinuationResult>(stateFolder, {
    model: await fileIdentity(file.path, measuredName(basename(file.path), setup)),
    texts: prompts.map((ids, at) => `prompt ${at + 1}, sha256 ${idsDigest(ids)}`),
    codecs,
    contexts: [promptTokens, length],
    from: seed,
  }).catch(usageErrorOf);
  return await evaluateContinuations(
    { textName: text.name, prompts, length, seed, profiles },
    {
      createEngine: ({ profile }) =>
        createEngineOf(file, {
          ...(profile === undefined ? {} : { profile }),
          math: setup.math,
          ...engineAdapter(setup.adapter),
          windowTokenCount,
          contextLength: prompts[0].length + length + 1,
          sequenceCountMax: SEQUENCE_COUNT,
          speculates: false,
        }),
      sequenceCount: SEQUENCE_COUNT,
      state,
      onProgress,
    },
  );
}

function profileOf(name: string, profile: ProfileOptions | null): ProfileOptions {
  if (profile !== null) return profile;
  throw new UsageError(
    `Cannot use ${name} with --continuations: baselines do not run in the engine`,
  );
}
