/**
 * Entry of a grammar worker: compiles grammars and follows answers through them, away from the GPU
 * and from HTTP, since compiling one may take a second.
 *
 * @module
 */

import type { CompiledGrammar, GrammarCompiler, GrammarMatcher } from "@mlc-ai/web-xgrammar";
import {
  type FromGrammarWorker,
  type GrammarSpec,
  type GrammarVocabulary,
  SHARED_HEADER_WORDS,
  SHARED_IS_LOST,
  SHARED_MASK_COUNT,
  type ToGrammarWorker,
} from "./types.ts";

/** Most whitespace between two parts of a JSON value: without a limit a model may never go on. */
const WHITESPACE_COUNT_MAX = 2;

type Library = typeof import("@mlc-ai/web-xgrammar");

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToGrammarWorker>) => void;
  postMessage(message: FromGrammarWorker): void;
};

let compiler: Promise<GrammarCompiler> | null = null;
const compiled = new Map<string, Promise<CompiledGrammar>>();
const matchers = new Map<number, { matcher: GrammarMatcher; port: MessagePort }>();

/** The library is a script that leaves its name behind. */
async function loadLibrary(): Promise<Library> {
  await import("@mlc-ai/web-xgrammar");
  return (globalThis as unknown as { xgrammar: Library }).xgrammar;
}

async function createCompiler({ tokens, eosIds }: GrammarVocabulary): Promise<GrammarCompiler> {
  const { TokenizerInfo, GrammarCompiler } = await loadLibrary();
  const info = await TokenizerInfo.createTokenizerInfo(
    [...tokens],
    "byte_level",
    false,
    tokens.length,
    [...eosIds],
  );
  return await GrammarCompiler.createGrammarCompiler(info, true);
}

async function compile(spec: GrammarSpec): Promise<CompiledGrammar> {
  const ready = await compiler!;
  if (spec.type === "tags") return await ready.compileStructuralTag(structuralTag(spec));
  return await ready.compileJSONSchema(
    spec.schema,
    true,
    undefined,
    undefined,
    true,
    WHITESPACE_COUNT_MAX,
  );
}

/** The library's form of text with tagged parts. */
function structuralTag(spec: Extract<GrammarSpec, { type: "tags" }>): Record<string, unknown> {
  const tags = spec.tags.map(({ begin, schema, end }) => {
    return {
      type: "tag",
      begin,
      content: { type: "json_schema", json_schema: JSON.parse(schema) },
      end,
    };
  });
  const stop_after_first = !spec.isRepeated;
  if (spec.trigger !== null) {
    const triggers = [spec.trigger];
    const format = {
      type: "triggered_tags",
      triggers,
      tags,
      at_least_one: false,
      stop_after_first,
    };
    return { type: "structural_tag", format };
  }
  const rule = { tags, separator: spec.separator, at_least_one: true, stop_after_first };
  return { type: "structural_tag", format: { type: "tags_with_separator", ...rule } };
}

async function open({ sessionId, spec, port, shared }: Extract<ToGrammarWorker, { type: "open" }>) {
  // What a grammar is refused for, the library only prints.
  const said: string[] = [];
  const { error, warn } = console;
  console.error = console.warn = (...parts: unknown[]) => void said.push(parts.join(" "));
  try {
    const key = JSON.stringify(spec);
    if (!compiled.has(key)) compiled.set(key, compile(spec));
    const { GrammarMatcher } = await loadLibrary();
    const matcher = await GrammarMatcher.createGrammarMatcher(await compiled.get(key)!);
    matchers.set(sessionId, { matcher, port });
    const words = new Int32Array(shared);
    await fill(sessionId, words);
    port.onmessage = async ({ data: id }: MessageEvent<number>) => {
      if (!matchers.has(sessionId)) return; // its last token was still on the way
      if (!matcher.acceptToken(id)) Atomics.store(words, SHARED_IS_LOST, 1);
      await fill(sessionId, words);
    };
    scope.postMessage({ type: "opened", sessionId });
  } catch (cause) {
    const reason = said.find((line) => line.includes("[FATAL]")) ?? String(cause);
    const message = reason.replace(/^.*\[FATAL\] \S+: /s, "").split("\n")[0];
    scope.postMessage({ type: "failed", sessionId, message });
  } finally {
    Object.assign(console, { error, warn });
  }
}

/** Puts the mask of what may come next where the GPU worker waits for it. */
async function fill(sessionId: number, words: Int32Array): Promise<void> {
  const matcher = matchers.get(sessionId)?.matcher;
  // After its end nothing may follow; the sequence ends by then.
  if (matcher && !matcher.isTerminated()) {
    try {
      words.set(await matcher.getNextTokenBitmask(), SHARED_HEADER_WORDS);
    } catch (error) {
      if (matchers.has(sessionId)) throw error; // else it was closed meanwhile
    }
  }
  Atomics.add(words, SHARED_MASK_COUNT, 1);
  Atomics.notify(words, SHARED_MASK_COUNT);
}

function close(sessionId: number): void {
  const session = matchers.get(sessionId);
  matchers.delete(sessionId);
  session?.port.close();
  session?.matcher.dispose();
}

scope.onmessage = ({ data }) => {
  switch (data.type) {
    case "load":
      compiler = createCompiler(data.vocabulary);
      return;
    case "open":
      return void open(data);
    case "close":
      return close(data.sessionId);
  }
};
