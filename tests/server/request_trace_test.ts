import { assert, assertEquals } from "@std/assert";
import { eventually } from "../support/waiting.ts";

const SCRIPT = new URL("./serve_process.ts", import.meta.url);

interface Span {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: Record<string, unknown> }[];
}

/** Serves as an OpenTelemetry collector until `count` spans of requests came. */
function collector() {
  const spans: Span[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const body = await request.json();
    for (const { scopeSpans = [] } of body.resourceSpans ?? []) {
      for (const { scope, spans: own } of scopeSpans) {
        if (scope.name === "packkv") spans.push(...own);
      }
    }
    return Response.json({});
  });
  return { spans, server, url: `http://127.0.0.1:${server.addr.port}` };
}

Deno.test("a request leaves spans of its queue, prefill and decode below its caller's", async () => {
  const { spans, server, url } = collector();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", SCRIPT.pathname, "held"],
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_BSP_SCHEDULE_DELAY: "50",
    },
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const output = child.stdout.getReader();
  const base = new TextDecoder().decode((await output.read()).value).trim();
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const response = await fetch(`${base}/v1/chat/completions`, {
    method: "POST",
    headers: {
      traceparent: `00-${traceId}-b7ad6b7169203331-01`,
      "X-Request-Id": "mine",
      "X-Session-Id": "a",
      "X-Gateway-Inference-Fairness-Id": "team-1",
      "X-Gateway-Inference-Objective": "batch",
    },
    body: JSON.stringify({ messages: [{ role: "user", content: "hi" }] }),
  });
  await response.json();
  await eventually(() => spans.length >= 4);
  child.kill("SIGINT");
  await output.cancel();
  await child.status;
  await server.shutdown();
  const root = spans.find(({ name }) => name === "chat fake");
  assert(root !== undefined, spans.map(({ name }) => name).join(", "));
  assertEquals([root.traceId, root.parentSpanId], [traceId, "b7ad6b7169203331"]);
  const value = (key: string) => root.attributes.find((each) => each.key === key)?.value;
  assertEquals(String(Object.values(value("gen_ai.usage.output_tokens")!)[0]), "2");
  const said = ["packkv.request.id", "session.id", "packkv.fairness_id", "packkv.objective"];
  assertEquals(said.map((key) => value(key)?.stringValue), ["mine", "a", "team-1", "batch"]);
  const parts = spans.filter(({ parentSpanId }) => parentSpanId === root.spanId);
  assertEquals(parts.map(({ name }) => name), ["queue", "prefill", "decode"]);
  for (const [index, { endTimeUnixNano }] of parts.slice(0, -1).entries()) {
    assertEquals(parts[index + 1].startTimeUnixNano, endTimeUnixNano);
  }
});
