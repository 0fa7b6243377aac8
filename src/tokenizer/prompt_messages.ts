/**
 * Messages to and from the thread that reads long prompts.
 *
 * @module
 */

import type { EngineError, EngineErrorCode } from "../core/errors.ts";
import type { ChatMessage, RenderOptions, TokenizeOptions } from "./types.ts";

/** What a worker is asked. */
export type PromptTask =
  | { type: "tokenize"; text: string; options: TokenizeOptions }
  | { type: "render"; messages: readonly ChatMessage[]; options: RenderOptions };

/** Messages to the worker: the model file first, and a template in place of its own. */
export type ToPromptWorker =
  | { type: "load"; modelPath: string; templateSource: string | null }
  | { type: "close" }
  | { type: "task"; taskId: number; task: PromptTask };

/** Why a prompt was not read: an {@link EngineError}, or something else if `code` is null. */
export type PromptFailure =
  & Pick<EngineError, "message" | "param" | "tokenCount">
  & { code: EngineErrorCode | null };

/** A task's result; `text` is the rendered conversation, or empty. */
export type FromPromptWorker =
  & { taskId: number }
  & (
    | { ids: Uint32Array; text: string; messageEnds: readonly number[] }
    | { failure: PromptFailure }
  );
