/**
 * Sampled answers in a file, a line of JSON each: found again after a restart, like the blocks of
 * the disk tier beside it. Several servers may append to one file; each reads it when it starts.
 *
 * @module
 */

import { hashOf } from "./canonical.ts";
import type { Kept, TurnStore } from "./turn_memory.ts";

/** Most characters of a file that are read; a longer one is written again without its beginning. */
const FILE_LENGTH_MAX = 128 * 2 ** 20;

/** The file of a model's answers in a folder. */
export function turnFilePath(folder: string, modelKey: string): string {
  return `${folder}/answers-${hashOf(modelKey).slice(0, 16)}.jsonl`;
}

/** See the module. */
export class TurnFile implements TurnStore {
  readonly #path: string;
  #isBroken = false;

  constructor(path: string) {
    this.#path = path;
  }

  load(): [key: string, kept: Kept][] {
    let text: string;
    try {
      text = Deno.readTextFileSync(this.#path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
    if (text.length > FILE_LENGTH_MAX) {
      text = text.slice(text.indexOf("\n", text.length - FILE_LENGTH_MAX / 2) + 1);
      const unfinished = `${this.#path}.${crypto.randomUUID()}.tmp`;
      Deno.writeTextFileSync(unfinished, text);
      Deno.renameSync(unfinished, this.#path);
    }
    return text.split("\n").flatMap((line) => readLine(line) ?? []);
  }

  add(key: string, kept: Kept): void {
    if (this.#isBroken) return;
    try {
      Deno.writeTextFileSync(this.#path, `${JSON.stringify([key, kept])}\n`, { append: true });
    } catch (error) {
      this.#isBroken = true;
      const reason = error instanceof Error ? error.message : String(error);
      console.warn(`packkv: cannot keep answers in ${this.#path}: ${reason}; no more are written`);
    }
  }
}

/** An entry; null for a line that a crash cut, or that is none. */
function readLine(line: string): [[key: string, kept: Kept]] | null {
  try {
    const [key, kept] = JSON.parse(line);
    return typeof key === "string" && isKept(kept) ? [[key, kept]] : null;
  } catch {
    return null;
  }
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== "object" || value === null) return false;
  if ("lines" in value) return typeof value.lines === "string";
  if (!("turn" in value) || typeof value.turn !== "object" || value.turn === null) return false;
  const { ids, text, calls, thoughts } = value.turn as Record<string, unknown>;
  return Array.isArray(ids) && ids.every((id) => Number.isSafeInteger(id) && id >= 0) &&
    typeof text === "string" && typeof calls === "string" &&
    (thoughts === null || typeof thoughts === "string");
}
