/**
 * One streamed completion of an OpenAI server, with the times of its chunks.
 *
 * @module
 */

import { type Completed, type FailureKind, type Outcome, RequestError } from "./outcome.ts";
import { readSse } from "./sse.ts";

/** A server, and what every request to it has in common. */
export interface Target {
  /** Without `/v1` and a slash at the end, e.g. `http://127.0.0.1:8000`. */
  baseUrl: string;
  /** Sent as bearer token; null sends none. */
  apiKey: string | null;
  model: string;
  /** Whether `ignore_eos` is sent, so that answers have the length asked for. */
  ignoresEos: boolean;
}

/** What one request asks for. */
export interface CompletionCall {
  prompt: readonly number[] | string;
  outputTokenCount: number;
  signal: AbortSignal;
}

interface Usage {
  prompt_tokens?: unknown;
  completion_tokens?: unknown;
  prompt_tokens_details?: { cached_tokens?: unknown } | null;
}

interface Chunk {
  choices?: { text?: unknown }[];
  usage?: Usage | null;
  error?: { message?: unknown } | string;
}

const MESSAGE_LENGTH_MAX = 300;

/** Why a run stops before all is done; the reason of its signal. */
export class StopReason extends Error {
  override name = "StopReason";
  readonly kind: "timeout" | "interrupted";

  constructor(kind: "timeout" | "interrupted") {
    super(`Cannot go on: ${kind}`);
    this.kind = kind;
  }
}

/** Headers of every request to the server. */
export function headersOf(apiKey: string | null): Record<string, string> {
  const json = { "Content-Type": "application/json" };
  return apiKey === null ? json : { ...json, Authorization: `Bearer ${apiKey}` };
}

/**
 * Sends a request and reads its stream to the end.
 *
 * @returns What came of it; failures of the request are values, too.
 */
export async function complete(target: Target, call: CompletionCall): Promise<Outcome> {
  const startMs = performance.now();
  try {
    return await readCompletion(await send(target, call), startMs);
  } catch (error) {
    const { kind, message } = describeFailure(error, call.signal);
    return { type: "failed", startMs, endMs: performance.now(), kind, message };
  }
}

async function send(target: Target, call: CompletionCall): Promise<ReadableStream<Uint8Array>> {
  const { baseUrl, apiKey, model, ignoresEos } = target;
  const body = {
    model,
    prompt: call.prompt,
    max_tokens: call.outputTokenCount,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
    ...(ignoresEos ? { ignore_eos: true } : {}),
  };
  const response = await fetch(`${baseUrl}/v1/completions`, {
    method: "POST",
    headers: headersOf(apiKey),
    body: JSON.stringify(body),
    signal: call.signal,
    redirect: "manual", // only the given server is talked to
  });
  if (response.status === 200 && response.body !== null) return response.body;
  const text = await response.text();
  throw new RequestError(`http_${response.status}`, messageOf(text));
}

async function readCompletion(
  body: ReadableStream<Uint8Array>,
  startMs: number,
): Promise<Completed> {
  const textTimesMs: number[] = [];
  let usage: Usage | null = null;
  let endMs: number | null = null;
  // Read past [DONE] to the body's end, so that the connection can be used again.
  for await (const { data, atMs } of readEvents(body)) {
    if (endMs !== null) continue;
    if (data === "[DONE]") {
      endMs = atMs;
      continue;
    }
    const chunk = parseChunk(data);
    if (chunk.error) throw new RequestError("stream_error", messageOf(data));
    usage = chunk.usage ?? usage;
    if (hasText(chunk)) textTimesMs.push(atMs);
  }
  if (endMs === null) throw new RequestError("stream_cut", "the stream ended without [DONE]");
  return { type: "completed", startMs, textTimesMs, endMs, ...readUsage(usage) };
}

async function* readEvents(body: ReadableStream<Uint8Array>): ReturnType<typeof readSse> {
  try {
    yield* readSse(body);
  } catch (error) {
    throw new RequestError("stream_cut", error instanceof Error ? error.message : String(error));
  }
}

function parseChunk(data: string): Chunk {
  try {
    const value = JSON.parse(data);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Reported below.
  }
  throw new RequestError("bad_chunk", `not a JSON object: ${data.slice(0, MESSAGE_LENGTH_MAX)}`);
}

function hasText({ choices }: Chunk): boolean {
  const text = Array.isArray(choices) ? choices[0]?.text : undefined;
  return typeof text === "string" && text !== "";
}

function readUsage(usage: Usage | null) {
  const promptTokenCount = usage?.prompt_tokens;
  const completionTokenCount = usage?.completion_tokens;
  if (typeof promptTokenCount !== "number" || typeof completionTokenCount !== "number") {
    throw new RequestError("no_usage", "the stream has no usage, so tokens cannot be counted");
  }
  const cached = usage?.prompt_tokens_details?.cached_tokens;
  const cachedTokenCount = typeof cached === "number" ? cached : 0;
  return { promptTokenCount, completionTokenCount, cachedTokenCount };
}

function describeFailure(
  error: unknown,
  signal: AbortSignal,
): { kind: FailureKind; message: string } {
  if (signal.aborted) {
    const { reason } = signal;
    const kind = reason instanceof StopReason ? reason.kind : "interrupted";
    return { kind, message: "the run stopped before the answer's end" };
  }
  if (error instanceof RequestError) return error;
  return { kind: "connection", message: error instanceof Error ? error.message : String(error) };
}

/** The message of an error answer in OpenAI's form; of another, its beginning. */
export function messageOf(text: string): string {
  let message: unknown = text;
  try {
    const { error } = JSON.parse(text);
    message = error?.message ?? error ?? text;
  } catch {
    // Not JSON: reported as it is.
  }
  return (typeof message === "string" ? message : text).slice(0, MESSAGE_LENGTH_MAX);
}
