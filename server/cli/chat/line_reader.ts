/**
 * Messages typed into a terminal, with editing and history.
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";

// Lines of a paste come together; a person needs longer for the next one.
const PASTE_MS = 20;
const HISTORY_COUNT_MAX = 200;
const FENCE = '"""';

/**
 * Reads messages. Between them the terminal is in its usual mode, in which Ctrl-C is a signal, so
 * that a running answer can be stopped.
 */
export class LineReader {
  /** Newest first. */
  #history: string[] = [];

  /**
   * The next message: a line, the lines of a paste, or all between two `"""`.
   *
   * @param prompt What stands before it.
   * @param onInterrupt Called at Ctrl-C on an empty line; elsewhere it clears the line.
   * @returns Null at the end of input (Ctrl-D).
   */
  async read(prompt: string, onInterrupt: () => void): Promise<string | null> {
    const first = await this.#readLines(prompt, onInterrupt);
    if (first === null || !first.startsWith(FENCE)) return this.#remember(first);
    let text = first.slice(FENCE.length);
    while (!text.trimEnd().endsWith(FENCE)) {
      const more = await this.#readLines("... ", onInterrupt);
      if (more === null) return null;
      text += `\n${more}`;
    }
    return this.#remember(text.trimEnd().slice(0, -FENCE.length).trim());
  }

  #remember(text: string | null): string | null {
    if (text !== null && text.trim() !== "" && text !== this.#history[0]) {
      this.#history = [text, ...this.#history].slice(0, HISTORY_COUNT_MAX);
    }
    return text;
  }

  #readLines(prompt: string, onInterrupt: () => void): Promise<string | null> {
    const { promise, resolve } = Promise.withResolvers<string | null>();
    const lines: string[] = [];
    const reader = createInterface({
      input: process.stdin,
      output: process.stdout,
      terminal: true,
      prompt,
      history: [...this.#history],
    });
    reader.on("SIGINT", () => {
      if (reader.line === "") onInterrupt();
      else reader.write(null, { ctrl: true, name: "u" });
      reader.prompt(true);
    });
    reader.on("line", (line) => {
      if (lines.push(line) === 1) setTimeout(() => reader.close(), PASTE_MS);
    });
    reader.on("close", () => resolve(lines.length === 0 ? null : lines.join("\n")));
    reader.prompt();
    return promise;
  }
}
