/**
 * What every route shares: the state, the models, and the checks against them.
 *
 * @module
 */

import type { Context } from "hono";
import { EngineError } from "../../src/core/errors.ts";
import type { Models, NamedModel } from "../models/models.ts";
import type { ServerState } from "../state.ts";
import { ContextLengthError } from "./errors.ts";

/** What routes are made with. */
export interface RouteContext {
  state: ServerState;
  models: Models;
  pingIntervalMs: number;
  /** Most bytes of a request's body. */
  bodySizeBytesMax: number;
  /** Unix time in seconds at which the app was made. */
  createdSeconds: number;
}

/**
 * The model that a request without a body means: `?model=NAME`, or the only one.
 *
 * @throws {ApiError} 404 for a name that is not known, 503 if the model is not loaded.
 */
export function namedModel({ models }: RouteContext, context: Context): NamedModel {
  return models.loaded(models.find(context.req.query("model") ?? null));
}

/**
 * The ids of a prompt that is being read; one that cannot fit is refused by the field it came in.
 *
 * @throws {ApiError} 400 `context_length_exceeded`, with the least number of tokens it takes.
 */
export async function fittingIds<T>(
  reading: Promise<T>,
  { contextLength, param }: { contextLength: number; param: string },
): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== "context_length_exceeded") throw error;
    const message = `${error.message}; this model's maximum context length is ` +
      `${contextLength} tokens`;
    const promptTokenCount = error.tokenCount ?? contextLength + 1;
    throw new ContextLengthError(message, param, { promptTokenCount, contextLength });
  }
}

/**
 * How many tokens may be generated after a prompt.
 *
 * @param asked What the request asks for; null asks for all there is room for.
 * @param contextLength Most tokens of prompt and completion together.
 * @param param The field the prompt came in.
 * @throws {ApiError} 400 `context_length_exceeded`; the message has all numbers.
 */
export function roomFor(
  promptTokenCount: number,
  asked: number | null,
  { contextLength, param }: { contextLength: number; param: string },
): number {
  const room = contextLength - promptTokenCount;
  if (room >= (asked ?? 1)) return asked ?? room;
  const total = promptTokenCount + (asked ?? 1);
  throw new ContextLengthError(
    `Cannot serve ${total} tokens (${promptTokenCount} in the prompt, ${
      asked ?? 1
    } to generate): ` +
      `this model's maximum context length is ${contextLength} tokens`,
    param,
    { promptTokenCount, contextLength },
  );
}
