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
  max_tokens: z.number().int().min(0).nullish(),
  max_completion_tokens: z.number().int().min(0).nullish(),
  echo: z.boolean().nullish(),
  logprobs: z.number().int().min(0).max(TOP_LOGPROB_COUNT_MAX).nullish(),
  suffix: z.string().nullish(),
  best_of: z.number().int().min(1).nullish(),
  response_format: formatSchema.nullish(),
});

/** One prompt: text, or token ids as they are. */
export type Prompt = string | readonly number[];

/** A plain completion, checked. */
export interface CompletionRequest extends CommonRequest {
  /** At least one; choices of prompt p are `p * choiceCount` and on. */
  prompts: readonly Prompt[];
  /** 0 generates nothing. */
  maxTokens: number;
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
  refuseUnsupported("completion", body);
  const { grammar, param: grammarParam } = toStructure(parsed);
  return {
    ...toCommonRequest(parsed),
    grammar,
    grammarParam,
    logprobs: parsed.logprobs ?? null,
    prompts: toPrompts(parsed.prompt),
    maxTokens: parsed.max_completion_tokens ?? parsed.max_tokens ?? MAX_TOKENS_DEFAULT,
    echo: parsed.echo ?? false,
  };
}
