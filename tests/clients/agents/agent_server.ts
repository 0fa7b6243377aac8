/**
 * A server on a real socket for coding agents: real vocabulary, template and scheduler, answers by
 * script, and every request kept as it came.
 */

import { Hono } from "hono";
import { startServer } from "../../../server/serve.ts";
import { readGguf } from "../../../src/gguf/read_gguf.ts";
import { createChatTemplate } from "../../../src/tokenizer/chat_template.ts";
import { createTokenizer } from "../../../src/tokenizer/tokenizer.ts";
import { harness } from "../../server/harness.ts";
import { ScheduledEngine } from "../../support/scheduled_engine.ts";
import { sharedFile } from "../../support/shared.ts";
import { answerTo } from "./scripted_model.ts";

export const MODEL_ID = "packkv-coder";
const CONTEXT_LENGTH = 65_536;
const BLOCK_COUNT = 4000;

/** A request as it came, and what became of it. */
export interface SeenRequest {
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  body: string;
  status: number;
  /** What the answer warns of. */
  warning: string | null;
  /** Tokens of its prompt as its answer says; null if it does not. */
  usage: PromptUsage | null;
  /** What was not answered with 2xx. */
  refusal: string | null;
}

/** Tokens of a prompt, and those that were cached. */
export interface PromptUsage {
  promptTokenCount: number;
  cachedTokenCount: number;
}

/** What an answer of any protocol, whole or streamed, says of its prompt in the end. */
export function usageOf(answer: string): PromptUsage | null {
  const last = (pattern: RegExp) => [...answer.matchAll(pattern)].at(-1)?.slice(1).map(Number);
  const chat = last(/"prompt_tokens":(\d+),.*?"cached_tokens":(\d+)/g) ??
    last(/"input_tokens":(\d+),"input_tokens_details":\{"cached_tokens":(\d+)/g);
  if (chat) return { promptTokenCount: chat[0], cachedTokenCount: chat[1] };
  const counts = last(
    /"input_tokens":(\d+),"cache_creation_input_tokens":(\d+),"cache_read_input_tokens":(\d+)/g,
  );
  if (!counts) return null;
  const [rest, created, cachedTokenCount] = counts;
  return { promptTokenCount: rest + created + cachedTokenCount, cachedTokenCount };
}

/** The server, and what it saw. */
export interface AgentServer {
  url: string;
  engine: ScheduledEngine;
  seen: SeenRequest[];
  stop(): Promise<void>;
}

/** Starts one. */
export async function startAgentServer(
  { port = 0, contextLength = CONTEXT_LENGTH }: { port?: number; contextLength?: number } = {},
): Promise<AgentServer> {
  const { metadata, tensors } = await readGguf(sharedFile("golden/tokenizers/qwen2.gguf")!);
  const tokenizer = createTokenizer(metadata, tensors);
  const source = await Deno.readTextFile(sharedFile("golden/templates/Qwen-Qwen3-0.6B.jinja")!);
  const chatTemplate = createChatTemplate(metadata, tokenizer, source);
  const engine = new ScheduledEngine(
    ({ promptIds }) =>
      tokenizer.tokenize(answerTo(tokenizer.detokenize(promptIds)), { parseSpecial: true }),
    {
      blockCount: BLOCK_COUNT,
      eosIds: tokenizer.eosIds,
      info: { contextLength, vocabSize: tokenizer.vocabSize },
    },
  );
  const { app, state } = harness(() => [], {
    engine,
    model: { tokenizer, chatTemplate },
    app: { modelId: MODEL_ID },
  });
  const seen: SeenRequest[] = [];
  const watched = new Hono();
  watched.all("*", async (context) => {
    const { raw } = context.req;
    const body = await raw.clone().text();
    const response = await app.fetch(raw);
    const url = new URL(raw.url);
    const kept: SeenRequest = {
      method: raw.method,
      path: url.pathname + url.search,
      headers: Object.fromEntries(raw.headers),
      body,
      status: response.status,
      warning: response.headers.get("X-PackKV-Warning"),
      usage: null,
      refusal: response.ok ? null : await response.clone().text(),
    };
    seen.push(kept);
    if (response.ok) void response.clone().text().then((text) => kept.usage = usageOf(text));
    return response;
  });
  const server = await startServer({
    app: watched,
    state,
    hostname: "127.0.0.1",
    port,
    keyCount: 0,
  });
  return { url: server.url, engine, seen, stop: () => server.stop() };
}
