/**
 * Seeded traces of agents and readers: sessions that share their instructions, some a document, and
 * grow by a turn a minute. A trace of one's own is a file of JSON lines of `TraceRequest`.
 *
 * @module
 */

import { seededRandom } from "../../tests/support/numeric.ts";
import type { TraceRequest } from "./simulate.ts";

/** What is asked. */
export interface TraceOptions {
  seed: number;
  /** Sessions that are open at a time. */
  sessionCount: number;
  durationSeconds: number;
  /** Blocks of instructions, of which there are so many kinds. */
  instructionBlocks: number;
  instructionKinds: number;
  /** Blocks of documents, of which there are so many, asked about by half of the sessions. */
  documentBlocks: number;
  documentCount: number;
  /** Tokens of a turn, question and answer, and turns of a session. */
  turnTokens: number;
  turnCount: number;
  secondsPerTurn: number;
}

/** Requests by time. */
export function makeTrace(options: TraceOptions): TraceRequest[] {
  const random = seededRandom(options.seed);
  const requests: TraceRequest[] = [];
  let nextSession = 0;
  for (let place = 0; place < options.sessionCount; place++) {
    let timeSeconds = random() * options.secondsPerTurn;
    while (timeSeconds < options.durationSeconds) {
      const session = nextSession++;
      const kind = Math.floor(random() * options.instructionKinds);
      // Few documents are asked about often.
      const document = Math.floor(options.documentCount * random() ** 2);
      const prefix = names(`i${kind}`, options.instructionBlocks);
      if (random() < 0.5) prefix.push(...names(`i${kind}d${document}`, options.documentBlocks));
      for (let turn = 1; turn <= options.turnCount; turn++) {
        if (timeSeconds >= options.durationSeconds) break;
        const tokens = turn * options.turnTokens;
        const own = names(`s${session}`, Math.floor(tokens / 64));
        requests.push({
          timeSeconds,
          session,
          blocks: [...prefix, ...own],
          tailTokens: tokens % 64,
        });
        timeSeconds += options.secondsPerTurn * (0.5 + random());
      }
    }
  }
  return requests.sort((a, b) => a.timeSeconds - b.timeSeconds);
}

/** The names of each beginning so far: equal ones are one string, which maps find sooner. */
const known = new Map<string, string[]>();

function names(prefix: string, count: number): string[] {
  const all = known.get(prefix) ?? [];
  known.set(prefix, all);
  for (let index = all.length; index < count; index++) all.push(`${prefix}.${index}`);
  return all.slice(0, count);
}
