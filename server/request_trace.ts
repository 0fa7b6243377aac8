/**
 * Spans of requests by OpenTelemetry, after its semantic conventions for generative AI. Deno
 * exports them if it was started with `OTEL_DENO=true`; else they cost a call of an empty function.
 *
 * @module
 */

import {
  type Attributes,
  context as openContext,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { RequestFacts, RequestListener } from "./request_watch.ts";
import { routedBy } from "./routed_by.ts";

const OPERATIONS: Record<string, string> = {
  "/chat/completions": "chat",
  "/completions": "text_completion",
  "/responses": "chat",
};

function attributesOf(facts: RequestFacts): Attributes {
  const operation = OPERATIONS[facts.endpoint.replace(/^\/v1/, "")];
  const { session, fairness_id, objective } = routedBy(facts.headers);
  return {
    "http.request.method": "POST",
    "url.path": facts.endpoint,
    "http.response.status_code": facts.status,
    "packkv.request.id": facts.id,
    ...(session === undefined ? {} : { "session.id": session }),
    ...(fairness_id === undefined ? {} : { "packkv.fairness_id": fairness_id }),
    ...(objective === undefined ? {} : { "packkv.objective": objective }),
    ...(operation === undefined ? {} : {
      "gen_ai.operation.name": operation,
      "gen_ai.provider.name": "packkv",
      ...(facts.modelId === null ? {} : { "gen_ai.request.model": facts.modelId }),
      "gen_ai.response.finish_reasons": [...facts.finishReasons],
      "gen_ai.usage.input_tokens": facts.promptTokenCount,
      "gen_ai.usage.output_tokens": facts.completionTokenCount,
      "packkv.usage.cached_tokens": facts.cachedTokenCount,
    }),
    ...(facts.errorCode === null ? {} : { "error.type": facts.errorCode }),
  };
}

/** Makes a span for each request, with spans for its wait, its prefill and its decode inside. */
export function requestTrace(): RequestListener {
  const tracer = trace.getTracer("packkv");
  return (facts) => {
    const { startedMs, totalMs, acceptedMs, queueMs, prefillMs, decodeMs } = facts;
    const parent = propagation.extract(openContext.active(), facts.headers, {
      get: (headers, key) => headers.get(key) ?? undefined,
      keys: (headers) => [...headers.keys()],
    });
    const attributes = attributesOf(facts);
    const operation = attributes["gen_ai.operation.name"] ?? `POST ${facts.endpoint}`;
    const name = facts.modelId === null ? String(operation) : `${operation} ${facts.modelId}`;
    const options = { kind: SpanKind.SERVER, startTime: startedMs, attributes };
    const span = tracer.startSpan(name, options, parent);
    if (!span.isRecording()) return span.end();
    if (facts.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
    const inside = trace.setSpan(parent, span);
    let atMs = startedMs + acceptedMs;
    if (facts.hasGenerated) {
      for (
        const [part, partMs] of Object.entries({
          queue: queueMs,
          prefill: prefillMs,
          decode: decodeMs,
        })
      ) {
        tracer.startSpan(part, { startTime: atMs }, inside).end(atMs += partMs);
      }
    }
    span.end(startedMs + totalMs);
  };
}
