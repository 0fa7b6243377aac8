/**
 * What every route shares: the state, the served name, and the checks against them.
 *
 * @module
 */

import { EngineError } from "../../src/core/errors.ts";
import type { ServedModel, ServerState } from "../state.ts";
import { ApiError, STATUS_BY_CODE } from "./errors.ts";

/** What routes are made with. */
export interface RouteContext {
  state: ServerState;
  /** The name answers carry. */
  modelId: string;
  /** Other names that requests may use. */
  aliases: readonly string[];
  pingIntervalMs: number;
  /** Most bytes of a request's body. */
  bodySizeBytesMax: number;
  /** Unix time in seconds at which the app was made. */
  createdSeconds: number;
}

/**
 * The loaded model.
 *
 * @throws {ApiError} 503 while loading, after a failure, and when stopping.
 */
export function readyModel(state: ServerState): ServedModel {
  const { phase } = state;
  switch (phase.name) {
    case "ready":
      return phase.model;
    case "loading":
      throw new ApiError(503, "Cannot answer yet: the model is loading", { code: "loading" });
    case "stopping": {
      const message = "Cannot answer: the server is shutting down";
      throw new ApiError(503, message, { code: "shutting_down" });
    }
    case "failed": {
      const { code, message } = phase;
      const status = Math.max(503, STATUS_BY_CODE[code]);
      throw new ApiError(status, `Cannot answer: the engine failed: ${message}`, { code });
    }
  }
}

/**
 * Checks that a request means the served model, as it does if it names none.
 *
 * @throws {ApiError} 404 `model_not_found`.
 */
export function checkModelName(context: RouteContext, name: string | null): void {
  const names = [context.modelId, ...context.aliases];
  if (name === null || name === "" || names.includes(name)) return;
  const known = names.map((each) => JSON.stringify(each)).join(", ");
  const message = `Cannot find the model ${JSON.stringify(name)}: this server has ${known}`;
  throw new ApiError(404, message, { param: "model", code: "model_not_found" });
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
    throw new ApiError(400, message, { param, code: error.code });
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
  throw new ApiError(
    400,
    `Cannot serve ${total} tokens (${promptTokenCount} in the prompt, ${
      asked ?? 1
    } to generate): ` +
      `this model's maximum context length is ${contextLength} tokens`,
    { param, code: "context_length_exceeded" },
  );
}
