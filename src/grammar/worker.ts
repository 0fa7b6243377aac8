/**
 * Entry of a grammar worker: compiles grammars and follows answers through them, away from the GPU
 * and from HTTP, since compiling one may take a second.
 *
 * @module
 */

import type { CompiledGrammar, GrammarCompiler, GrammarMatcher } from "@mlc-ai/web-xgrammar";
import { grammarText } from "./compile.ts";
import { createCompiler, keepOutput, loadLibrary, reasonOf } from "./library.ts";
import { SchemaRefusal } from "./refusal.ts";
import {
  type FromGrammarWorker,
  type GrammarSpec,
  SHARED_HEADER_WORDS,
  SHARED_IS_LOST,
  SHARED_MASK_COUNT,
  type ToGrammarWorker,
} from "./types.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToGrammarWorker>) => void;
  postMessage(message: FromGrammarWorker): void;
};

keepOutput();
let compiler: Promise<GrammarCompiler> | null = null;
const compiled = new Map<string, Promise<CompiledGrammar>>();
const matchers = new Map<number, { matcher: GrammarMatcher; port: MessagePort }>();

/** Grammars that the library has refused or given up on; it ends its instance with that. */
class LibraryFailure extends Error {}

async function compile(spec: GrammarSpec): Promise<CompiledGrammar> {
  const { text } = grammarText(spec);
  try {
    return await (await compiler!).compileGrammar(text);
  } catch (cause) {
    throw new LibraryFailure(reasonOf(cause));
  }
}

async function open({ sessionId, spec, port, shared }: Extract<ToGrammarWorker, { type: "open" }>) {
  try {
    const key = JSON.stringify(spec);
    if (!compiled.has(key)) {
      const compiling = compile(spec);
      compiling.catch(() => {}); // it is awaited below, when the library is there
      compiled.set(key, compiling);
    }
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
    const isUsable = cause instanceof SchemaRefusal;
    const message = cause instanceof Error ? cause.message : String(cause);
    scope.postMessage({ type: "failed", sessionId, message, isUsable });
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
