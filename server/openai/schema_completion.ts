/**
 * The body of a plain completion.
 *
 * @module
 */

import { z } from "zod";
import { TOP_LOGPROB_COUNT_MAX } from "../../src/core/sampling.ts";
import type { GrammarSpec } from "../../src/engine/types.ts";
import { parseBody } from "./parse_body.ts";
import { commonFields, type CommonRequest, toCommonRequest } from "./schema_common.ts";
import { promptCutFields, tokenLimit, toTokenLimit } from "./schema_lengths.ts";
import { formatSchema, toStructure } from "./structured.ts";
import { refuseUnsupported } from "./unsupported.ts";

const MAX_TOKENS_DEFAULT = 16;

const idsSchema = z.array(z.number().int().min(0)).min(1);

/** Most prompts of one request. */
export const PROMPT_COUNT_MAX = 128;

const promptSchema = z.union([
  z.string(),
  z.array(z.string()).min(1).max(PROMPT_COUNT_MAX),
  idsSchema,
  z.array(idsSchema).min(1).max(PROMPT_COUNT_MAX),
]);

/** A plain completion as it comes. */
export const completionSchema = z.object({
  ...commonFields,
  prompt: promptSchema,
  ...promptCutFields,
  max_completion_tokens: tokenLimit().nullish(),
  max_tokens: tokenLimit().nullish(),
  n_predict: tokenLimit().nullish(),
  add_special_tokens: z.boolean().nullish(),
  echo: z.boolean().nullish(),
  logprobs: z.number().int().min(0).max(TOP_LOGPROB_COUNT_MAX).nullish(),
  suffix: z.string().nullish(),
  best_of: z.number().int().min(1).nullish(),
  response_format: formatSchema.nullish(),
});

/** Checked for their type, not honoured. */
const { suffix: _, best_of: __, ...honoured } = completionSchema.shape;
const HONOURED = Object.keys(honoured);

/** One prompt: text, or token ids as they are. */
export type Prompt = string | readonly number[];

/** A plain completion, checked. */
export interface CompletionRequest extends CommonRequest {
  /** At least one; choices of prompt p are `p * choiceCount` and on. */
  prompts: readonly Prompt[];
  /** 0 generates nothing; null as many as the context has room for. */
  maxTokens: number | null;
  /** Most tokens of a prompt that are kept, the last ones; null keeps all. */
  promptCut: number | null;
  /** Whether a prompt given as text may begin with BOS. */
  addsBos: boolean;
  /** The answer begins with the prompt. */
  echo: boolean;
  /** What the text must be; null for anything. */
  grammar: GrammarSpec | null;
  /** The field it came from. */
  grammarParam: string;
}

function toPrompts(prompt: z.infer<typeof promptSchema>): Prompt[] {
  if (typeof prompt === "string") return [prompt];
  return typeof prompt[0] === "number" ? [prompt as number[]] : prompt as Prompt[];
}

/**
 * Checks the body of a plain completion.
 *
 * @throws {ApiError} 400 with `param` set to the field at fault.
 */
export function parseCompletionRequest(body: unknown): CompletionRequest {
  const parsed = parseBody(completionSchema, body);
  refuseUnsupported(body, HONOURED);
  const { max_completion_tokens, max_tokens, n_predict } = parsed;
  const { grammar, param: grammarParam } = toStructure(parsed);
  return {
    ...toCommonRequest(parsed),
    grammar,
    grammarParam,
    logprobs: parsed.logprobs ?? null,
    prompts: toPrompts(parsed.prompt),
    maxTokens: toTokenLimit({ max_completion_tokens, max_tokens, n_predict }, MAX_TOKENS_DEFAULT),
    promptCut: parsed.truncate_prompt_tokens ?? null,
    addsBos: parsed.add_special_tokens ?? true,
    echo: parsed.echo ?? false,
  };
}
