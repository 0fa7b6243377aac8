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
  type ToGrammarSession,
  type ToGrammarWorker,
} from "./types.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToGrammarWorker>) => void;
  postMessage(message: FromGrammarWorker): void;
};

keepOutput();
let compiler: Promise<GrammarCompiler> | null = null;
let eosIds: readonly number[] = [];
const compiled = new Map<string, Promise<CompiledGrammar>>();
const matchers = new Map<number, Session>();

interface Session {
  matcher: GrammarMatcher;
  port: MessagePort;
  /** What may come next, behind the tokens that came. */
  mask: Int32Array | null;
}

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
    matchers.set(sessionId, { matcher, port, mask: null });
    const words = new Int32Array(shared);
    await fill(sessionId, words, { isNew: true, draftIds: [] });
    port.onmessage = async ({ data }: MessageEvent<ToGrammarSession>) => {
      if (!matchers.has(sessionId)) return; // its last token was still on the way
      const { ids, draftIds } = data;
      if (!ids.every((id) => matcher.acceptToken(id))) Atomics.store(words, SHARED_IS_LOST, 1);
      await fill(sessionId, words, { isNew: ids.length > 0, draftIds });
    };
    scope.postMessage({ type: "opened", sessionId });
  } catch (cause) {
    const isUsable = cause instanceof SchemaRefusal;
    const message = cause instanceof Error ? cause.message : String(cause);
    scope.postMessage({ type: "failed", sessionId, message, isUsable });
  }
}

/** Puts the masks of what may come next, and behind guesses, where the GPU worker waits. */
async function fill(
  sessionId: number,
  words: Int32Array,
  { isNew, draftIds }: { isNew: boolean; draftIds: readonly number[] },
): Promise<void> {
  const session = matchers.get(sessionId);
  // After its end nothing may follow; the sequence ends by then.
  if (session && !session.matcher.isTerminated()) {
    try {
      if (isNew) session.mask = await session.matcher.getNextTokenBitmask();
      const masks = await masksBehind(session.matcher, session.mask!, draftIds);
      masks.forEach((mask, index) => words.set(mask, SHARED_HEADER_WORDS + index * mask.length));
    } catch (error) {
      if (matchers.has(sessionId)) throw error; // else it was closed meanwhile
    }
  }
  Atomics.add(words, SHARED_MASK_COUNT, 1);
  Atomics.notify(words, SHARED_MASK_COUNT);
}

/** What may come next, then behind each guess; the last known mask behind one not allowed. */
async function masksBehind(
  matcher: GrammarMatcher,
  next: Int32Array,
  draftIds: readonly number[],
): Promise<Int32Array[]> {
  const masks = [next];
  let followedCount = 0;
  for (const id of draftIds) {
    const mask = masks.at(-1)!;
    const isAllowed = (mask[id >> 5] >>> (id & 31) & 1) === 1 && !eosIds.includes(id);
    if (!isAllowed) break;
    matcher.acceptToken(id);
    followedCount++;
    masks.push(await matcher.getNextTokenBitmask());
  }
  if (followedCount > 0) matcher.rollBack(followedCount);
  while (masks.length <= draftIds.length) masks.push(masks.at(-1)!);
  return masks;
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
      eosIds = data.vocabulary.eosIds;
      return;
    case "open":
      return void open(data);
    case "close":
      return close(data.sessionId);
  }
};
