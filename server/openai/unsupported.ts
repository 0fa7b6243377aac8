/**
 * Fields that clients know and this server cannot honour: refused by name, never ignored, unless
 * their value changes nothing.
 *
 * @module
 */

import { ApiError } from "./errors.ts";

type IsNeutral = (value: unknown) => boolean;

const never: IsNeutral = () => false;
const isEmpty: IsNeutral = (value) =>
  value === "" || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
const oneOf = (...neutral: unknown[]): IsNeutral => (value) => neutral.includes(value);

/** For both kinds of completion: field name → whether a value asks for nothing. */
const COMMON: Readonly<Record<string, IsNeutral>> = {
  grammar: isEmpty,
  structured_outputs: isEmpty,
  guided_json: isEmpty,
  guided_regex: isEmpty,
  guided_choice: isEmpty,
  guided_grammar: isEmpty,
  json_schema: isEmpty,
  min_tokens: oneOf(0),
  stop_token_ids: isEmpty,
  bad_words: isEmpty,
  allowed_token_ids: isEmpty,
  use_beam_search: oneOf(false),
  typical_p: oneOf(1),
  mirostat: oneOf(0),
  prompt_logprobs: never,
};

const CHAT: Readonly<Record<string, IsNeutral>> = {
  ...COMMON,
  functions: isEmpty,
  function_call: oneOf("none", "auto"),
  modalities: (value) => Array.isArray(value) && value.every((item) => item === "text"),
  audio: never,
  prediction: never,
  web_search_options: never,
  chat_template: never,
  continue_final_message: oneOf(false),
};

const COMPLETION: Readonly<Record<string, IsNeutral>> = {
  ...COMMON,
  suffix: isEmpty,
  best_of: oneOf(1),
};

const FIELDS = { chat: CHAT, completion: COMPLETION } as const;

/**
 * Refuses a body that asks for what this server cannot do.
 *
 * @param body The request, its known fields already of the right type.
 * @throws {ApiError} 400, code `unsupported_parameter`, `param` naming the field.
 */
export function refuseUnsupported(kind: keyof typeof FIELDS, body: unknown): void {
  const fields = body as Record<string, unknown>;
  for (const [name, isNeutral] of Object.entries(FIELDS[kind])) {
    const value = fields[name];
    if (value === undefined || value === null || isNeutral(value)) continue;
    const message = `Cannot honour ${name}: it is not supported yet`;
    throw new ApiError(400, message, { param: name, code: "unsupported_parameter" });
  }
}
