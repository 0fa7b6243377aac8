/**
 * The grammar library, which only loads in a worker.
 *
 * @module
 */

import type { GrammarCompiler } from "@mlc-ai/web-xgrammar";
import type { GrammarVocabulary } from "./types.ts";

type Library = typeof import("@mlc-ai/web-xgrammar");

/** What the library printed: the only place where it says why it refuses a grammar. */
const said: string[] = [];

/** The library is a script that leaves its name behind. */
export async function loadLibrary(): Promise<Library> {
  await import("@mlc-ai/web-xgrammar");
  return (globalThis as unknown as { xgrammar: Library }).xgrammar;
}

/** Keeps what the library prints to itself. */
export function keepOutput(): void {
  const keep = (...parts: unknown[]) => {
    said.push(parts.join(" "));
    if (said.length > 100) said.shift();
  };
  Object.assign(console, { error: keep, warn: keep, log: keep });
}

/** Why the library gave up, from what it printed and what it threw. */
export function reasonOf(cause: unknown): string {
  const fatal = said.findLast((line) => line.includes("[FATAL]"));
  return (fatal ?? String(cause)).replace(/^.*\[FATAL\] \S+: /s, "").split("\n")[0];
}

export async function createCompiler(
  { tokens, eosIds }: GrammarVocabulary,
): Promise<GrammarCompiler> {
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
