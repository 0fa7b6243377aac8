/**
 * Clients that go away, over connections written byte by byte: what they have sent by then, and
 * whether it was their first request, must not matter.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createApp } from "../../server/app.ts";
import { startServer } from "../../server/serve.ts";
import { ServerState } from "../../server/state.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { createChatTemplate } from "../../src/tokenizer/chat_template.ts";
import { directPromptReader } from "../../src/tokenizer/prompt_reader.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { createEngine, type Engine } from "../../mod.ts";
import { type FakeScript, tokensOf } from "../support/fake_engine.ts";
import { idleStats, withTinyModel } from "../support/tiny_engine.ts";
import { eventually, harness } from "./harness.ts";

const BODY_SIZES = [50, 5_000, 100_000];

/** A completion request of `sizeBytes`. */
function bodyOf(sizeBytes: number, fields: object): string {
  const body = { ...fields, prompt: [1], user: "" };
  const paddingCount = Math.max(0, sizeBytes - JSON.stringify(body).length);
  return JSON.stringify({ ...body, user: "a".repeat(paddingCount) });
}

/** One connection. */
class RawClient {
  readonly #connection: Deno.Conn;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  static async connect(url: string): Promise<RawClient> {
    const port = Number(new URL(url).port);
    return new RawClient(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  async post(body: string): Promise<void> {
    const head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n" +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    const bytes = new TextEncoder().encode(head + body);
    for (let offset = 0; offset < bytes.length;) {
      offset += await this.#connection.write(bytes.subarray(offset));
    }
  }

  /** Reads until the answer holds `text`. */
  async readUntil(text: string): Promise<void> {
    const bytes = new Uint8Array(65_536);
    for (let seen = ""; !seen.includes(text);) {
      const count = await this.#connection.read(bytes);
      assert(count !== null, `the connection ended before ${text}`);
      seen += new TextDecoder().decode(bytes.subarray(0, count));
    }
  }

  close(): void {
    this.#connection.close();
  }
}

const CASES = BODY_SIZES.flatMap((sizeBytes) =>
  [false, true].flatMap((stream) =>
    [true, false].flatMap((isFirst) =>
      [false, true].map((hasToken) => ({ sizeBytes, stream, isFirst, hasToken }))
    )
  )
);

Deno.test("a client that goes ends its sequence at once", async (t) => {
  let script: FakeScript = () => [];
  const { app, state, engine } = harness((request, index) => script(request, index));
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
  for (const { sizeBytes, stream, isFirst, hasToken } of CASES) {
    const order = isFirst ? "the first request" : "a later request";
    const phase = hasToken ? "in decode" : "before the first token";
    const kind = stream ? "streamed" : "whole";
    await t.step(`${sizeBytes} bytes, ${kind}, ${order}, ${phase}`, async () => {
      const client = await RawClient.connect(server.url);
      if (!isFirst) {
        script = () => tokensOf("x");
        await client.post(bodyOf(sizeBytes, {}));
        await client.readUntil("usage");
      }
      const abortedCount = engine.abortedCount;
      script = () => hasToken ? [97, "hang"] : ["hang"];
      await client.post(bodyOf(sizeBytes, { stream }));
      if (stream && hasToken) await client.readUntil(`"a"`);
      else await eventually(() => engine.activeCount === 1);
      const startMs = performance.now();
      client.close();
      await eventually(() => engine.abortedCount === abortedCount + 1);
      assert(performance.now() - startMs < 1000, "it takes no ping, of 15 s, to notice");
      assertEquals([engine.activeCount, state.inFlightCount], [0, 0]);
    });
  }
  await server.stop();
});

Deno.test("a client that goes in the middle of its body starts nothing", async () => {
  const { app, state, engine } = harness(() => ["hang"]);
  const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: +new URL(server.url).port });
  const head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{";
  await connection.write(new TextEncoder().encode(head));
  await new Promise((resolve) => setTimeout(resolve, 50));
  connection.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals([engine.requests.length, state.inFlightCount], [0, 0]);
  assertStringIncludes(await (await fetch(`${server.url}/health`)).text(), "ok");
  await server.stop();
});

/** A server on a tiny model that runs one sequence at a time. */
async function withTinyServer(
  body: (url: string, engine: Engine) => Promise<void>,
): Promise<void> {
  await withTinyModel({ contextLength: 4096 }, async (modelPath) => {
    const { metadata } = await readGguf(modelPath);
    const tokenizer = createTokenizer(metadata);
    const chatTemplate = createChatTemplate(metadata, tokenizer);
    const engine = await createEngine({
      modelPath,
      profile: { name: "paper" },
      sequenceCountMax: 1,
    });
    const state = new ServerState();
    const prompts = directPromptReader(tokenizer, chatTemplate);
    state.setReady({ engine, tokenizer, chatTemplate, prompts });
    const app = createApp({ state, modelId: "tiny" });
    const server = await startServer({ app, state, hostname: "127.0.0.1", port: 0, keyCount: 0 });
    await body(server.url, engine);
    await server.stop();
  });
}

const LONG_PROMPT = { prompt: "a".repeat(3000), max_tokens: 1000, ignore_eos: true };

async function statsWhen(engine: Engine, count: "runningSequenceCount" | "waitingSequenceCount") {
  for (let stats = await engine.stats();; stats = await engine.stats()) {
    if (stats[count] === 1) return stats;
  }
}

Deno.test("a client that goes in prefill or in the queue frees the engine at once", async () => {
  await withTinyServer(async (url, engine) => {
    for (const stream of [false, true]) {
      const body = JSON.stringify({ ...LONG_PROMPT, stream });
      const [running, waiting] = [await RawClient.connect(url), await RawClient.connect(url)];
      await running.post(body);
      await statsWhen(engine, "runningSequenceCount");
      await waiting.post(body);
      await statsWhen(engine, "waitingSequenceCount");
      const { stepCount: startCount, promptTokenCount } = await engine.stats();
      waiting.close();
      running.close();
      const { cacheBytes, stepCount, generatedTokenCount } = await idleStats(engine);
      // A step may be running, another be encoded, and each message takes a step to be heard, or
      // several short ones on a busy machine; its prompt takes 47.
      assert(stepCount - startCount <= 16, `${stepCount - startCount} steps more`);
      assert(promptTokenCount < LONG_PROMPT.prompt.length, "it was still in prefill");
      assertEquals([generatedTokenCount, cacheBytes.allocated], [0, 0]);
    }
  });
});
