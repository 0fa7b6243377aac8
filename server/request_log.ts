/**
 * A line for each request, for people or for programs. Never a prompt, an answer or a key.
 *
 * @module
 */

import type { KeptPrompt } from "../src/engine/types.ts";
import type { RequestFacts, RequestListener } from "./request_watch.ts";
import { routedBy } from "./routed_by.ts";

/** Names of the forms a line can have. */
export const LOG_FORMATS = ["off", "text", "json"] as const;

/** How lines are written. */
export type LogFormat = typeof LOG_FORMATS[number];

/** A request as a JSON object of one line. */
export function jsonLine(facts: RequestFacts): string {
  const round = (ms: number) => Math.round(ms * 10) / 10;
  return JSON.stringify({
    time: new Date(facts.startedMs).toISOString(),
    level: facts.status >= 500 ? "error" : "info",
    message: "request",
    id: facts.id,
    endpoint: facts.endpoint,
    model: facts.modelId,
    ...routedBy(facts.headers),
    status: facts.status,
    error: facts.errorCode,
    prompt_tokens: facts.promptTokenCount,
    cached_tokens: facts.cachedTokenCount,
    completion_tokens: facts.completionTokenCount,
    ...(facts.kept && {
      kept: {
        method: facts.kept.method,
        sealed_tokens: facts.kept.sealedTokenCount,
        layer_tokens: facts.kept.layers.map(({ tokens }) => tokens),
        layer_bytes: facts.kept.layers.map(({ bytes }) => bytes),
        ...(facts.kept.layers.some(({ keyChannels }) => keyChannels !== undefined) && {
          layer_key_channels: facts.kept.layers.map(({ keyChannels }) => keyChannels ?? 0),
        }),
      },
    }),
    queue_ms: round(facts.queueMs),
    prefill_ms: round(facts.prefillMs),
    decode_ms: round(facts.decodeMs),
    total_ms: round(facts.totalMs),
    finish_reason: facts.finishReasons.join(",") || null,
  });
}

/** The same for people. */
export function textLine(facts: RequestFacts): string {
  const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
  const { promptTokenCount, cachedTokenCount, completionTokenCount } = facts;
  const tokens = !facts.hasGenerated ? [] : [
    `${promptTokenCount} prompt tokens (${cachedTokenCount} cached)`,
    ...(facts.kept ? [keptWords(facts.kept)] : []),
    `${completionTokenCount} generated`,
    `queue ${seconds(facts.queueMs)}`,
    `prefill ${seconds(facts.prefillMs)}`,
    `decode ${seconds(facts.decodeMs)}`,
  ];
  const end = facts.errorCode ?? facts.finishReasons.join(",");
  const parts = [...tokens, `total ${seconds(facts.totalMs)}`, ...(end === "" ? [] : [end])];
  return `${facts.endpoint} ${facts.status} ${facts.id}: ${parts.join(", ")}`;
}

/** What stayed of a prompt: fewest and most tokens of its layers, and bytes of all. */
function keptWords({ method, sealedTokenCount, layers }: KeptPrompt): string {
  const counts = layers.map(({ tokens }) => tokens).filter((count) => count > 0);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const range = least === most ? `${least}` : `${least} to ${most}`;
  const bytes = layers.reduce((sum, layer) => sum + layer.bytes, 0);
  const channels = Math.max(...layers.map(({ keyChannels = 0 }) => keyChannels));
  const each = channels > 0 ? `, ${channels} channels of K each` : "";
  return `kept ${range} of ${sealedTokenCount}${each} by ${method} in ${bytes} bytes`;
}

/** Writes a line for each request; `off` writes none. */
export function requestLog(
  format: LogFormat,
  write: (line: string) => void = (line) => console.error(line),
): RequestListener {
  if (format === "off") return () => {};
  return (facts) => write(format === "json" ? jsonLine(facts) : textLine(facts));
}
