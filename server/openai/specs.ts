/**
 * From a checked request to the generations it takes.
 *
 * @module
 */

import type { LogitAdjustments } from "../../src/engine/types.ts";
import type { Tokenizer } from "../../src/tokenizer/types.ts";
import type { ServedModel } from "../state.ts";
import { codecFields } from "./codec_fields.ts";
import { ApiError } from "./errors.ts";
import type { GenerationSpec } from "./generation/spec.ts";
import { type CommonRequest, seedOfChoice } from "./schema_common.ts";
import { notSupported } from "./unsupported.ts";

/**
 * Checks ids given by a client.
 *
 * @throws {ApiError} 400 if one is not in the vocabulary.
 */
export function checkIds(tokenizer: Tokenizer, ids: readonly number[], param: string): void {
  const wrong = ids.find((id) => id >= tokenizer.vocabSize);
  if (wrong === undefined) return;
  const message = `Cannot accept ${param}: token id ${wrong} is not below the vocabulary's ` +
    `${tokenizer.vocabSize}`;
  throw new ApiError(400, message, { param, code: "invalid_value" });
}

/** What a request may say of its own cache. */
const METHOD_FIELDS = ["keep", "read"];

/** Checks that a request asks for the cache that is in force: it is the same for all. */
function checkCache(request: CommonRequest, { engine }: ServedModel): void {
  const { profile: inForce, codec } = engine.info;
  const fields = codecFields(codec.settings);
  for (const [name, value] of Object.entries(request.kv)) {
    if (METHOD_FIELDS.includes(name) || fields[name] === value) continue;
    const message = `Cannot honour kv.${name} = ${value}: this server keeps its cache as ` +
      `${inForce}; it is chosen when the server starts`;
    throw new ApiError(400, message, { param: `kv.${name}`, code: "unsupported_value" });
  }
}

function adjustmentsOf(request: CommonRequest, tokenizer: Tokenizer): Partial<LogitAdjustments> {
  const ids = request.adjustments.logitBias.map(([id]) => id);
  checkIds(tokenizer, ids, "logit_bias");
  return request.adjustments;
}

/** What all choices of a prompt share, beside what the request asks of every prompt. */
export type PromptSpec = Pick<
  GenerationSpec,
  | "promptIds"
  | "maxTokens"
  | "echo"
  | "grammar"
  | "grammarParam"
  | "reading"
  | "reasoningTokenCountMax"
  | "messageEnds"
  | "isContinued"
  | "pins"
  | "recorder"
  | "report"
>;

/** Refuses what is said in texts, as stop strings and names of tokens are, where there are none. */
function checkTexts(
  { stop, logprobs }: CommonRequest,
  { echo, grammar, grammarParam }: PromptSpec,
  { tokenizer }: ServedModel,
): void {
  if (tokenizer.hasTexts) return;
  const asked: [string, boolean][] = [
    ["stop", stop.length > 0],
    ["echo", echo !== null],
    ["logprobs", logprobs !== null],
    [grammarParam, grammar !== null],
  ];
  const param = asked.find(([, isAsked]) => isAsked)?.[0];
  if (param === undefined) return;
  throw notSupported(param, "the model file has no tokenizer, so that answers have no text");
}

/**
 * One generation for each choice of a prompt.
 *
 * @throws {ApiError} 400 if the request asks for what the model or the server has not.
 */
export function toSpecs(
  request: CommonRequest,
  prompt: PromptSpec,
  model: ServedModel,
): GenerationSpec[] {
  checkCache(request, model);
  checkTexts(request, prompt, model);
  const adjustments = adjustmentsOf(request, model.tokenizer);
  const { sampling, stop, includesStop, showControl, ignoreEos } = request;
  const { logprobs, namesById, returnsIds } = request;
  const { priority, cacheSalt, skipsCache, speculates, choiceCount, stream: streams } = request;
  const text = { stop, includesStop, showControl };
  const [keep, read] = METHOD_FIELDS.map((name) =>
    request.kv[name] === undefined ? null : String(request.kv[name])
  );
  return Array.from({ length: choiceCount }, (_, choiceIndex) => {
    const seed = seedOfChoice(sampling.seed, choiceIndex);
    const own = { ...sampling, seed };
    const told = { logprobs, namesById, returnsIds, streams };
    const shared = { ignoreEos, adjustments, priority, cacheSalt, skipsCache, speculates };
    return { ...prompt, ...text, ...told, ...shared, keep, read, sampling: own };
  });
}
