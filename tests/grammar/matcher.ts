/** The grammar library in a worker, for tests. */

import type { MatchAnswer, MatchRequest } from "./matcher_worker.ts";

/** Follows texts through grammars. */
export class Matcher {
  #worker = new Worker(new URL("./matcher_worker.ts", import.meta.url), { type: "module" });

  /** @throws {Error} If the library cannot compile the grammar, with its reason. */
  async accepts(grammar: string, texts: readonly string[]): Promise<boolean[]> {
    const answer = Promise.withResolvers<MatchAnswer>();
    this.#worker.onmessage = ({ data }) => answer.resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      answer.resolve({ fault: event.message });
    };
    this.#worker.postMessage({ grammar, texts } satisfies MatchRequest);
    const found = await answer.promise;
    if ("accepted" in found) return found.accepted;
    this.end();
    this.#worker = new Worker(new URL("./matcher_worker.ts", import.meta.url), { type: "module" });
    throw new Error(found.fault);
  }

  end(): void {
    this.#worker.postMessage(null);
  }
}
