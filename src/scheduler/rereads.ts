/**
 * Answers that are read again as prompts are. A decoded token has other bits than the same token in
 * a slice, so what decoding stored is of no use to the next turn of a conversation. The answer is
 * read by slices when nothing else is, while the client runs its tools: then the next turn finds it
 * in the cache like any other part of its prompt. src/decisions/29 has the reasons.
 *
 * @module
 */

import { BLOCK_TOKEN_COUNT } from "../core/shapes.ts";
import type { Roster } from "./roster.ts";
import { REREAD_PRIORITY, type Sequence } from "./sequence.ts";

/** Answers that may wait, for each slot: older ones are left to the turns that repeat them. */
const WAITING_COUNT_PER_SLOT = 2;

/** Whether an id is of an answer that is read again; those of callers are positive. */
export function isRereadId(sequenceId: number): boolean {
  return sequenceId < 0;
}

/** Answers of one roster that wait to be read again, or are being read. */
export class Rereads {
  #roster: Roster;
  #waitingCountMax: number;
  #nextId = -1;

  constructor(roster: Roster, slotCount: number) {
    this.#roster = roster;
    this.#waitingCountMax = slotCount * WAITING_COUNT_PER_SLOT;
  }

  /**
   * Notes a sequence that finished, if its answer completes a block that a next turn can use.
   *
   * @param endId The end token that it sampled; null if it ended by its length.
   */
  note({ ids, names, request }: Sequence, endId: number | null, step: number): void {
    if (!request.isContinued || request.skipsCache || names.length === 0) return;
    const all = endId === null ? ids : [...ids, endId];
    const blockCount = Math.floor((all.length - 1) / BLOCK_TOKEN_COUNT);
    if (blockCount <= Math.floor((request.promptIds.length - 1) / BLOCK_TOKEN_COUNT)) return;
    const { cacheSalt, pins } = request;
    this.#roster.add({
      sequenceId: this.#nextId--,
      // The token behind the last whole block lets the step before it seal.
      promptIds: all.slice(0, blockCount * BLOCK_TOKEN_COUNT + 1),
      maxTokens: 0,
      eosIds: [],
      ignoreEos: true,
      priority: REREAD_PRIORITY,
      ...(cacheSalt === undefined ? {} : { cacheSalt }),
      ...(pins === undefined ? {} : { pins }),
    }, step);
    const waiting = this.#roster.waiting.filter(({ isReread }) => isReread);
    if (waiting.length > this.#waitingCountMax) this.#roster.end(waiting[0]);
  }

  /** Drops the answer that a waiting request reads anyway, unless it is being read already. */
  leaveTo({ names }: Sequence): void {
    const { waiting } = this.#roster;
    for (const sequence of waiting.filter(({ isReread }) => isReread)) {
      const last = sequence.names.length - 1;
      if (names.at(last) === sequence.names[last]) this.#roster.end(sequence);
    }
  }

  /** Drops all of them. */
  clear(): void {
    const { running, waiting } = this.#roster;
    for (const sequence of [...running, ...waiting]) {
      if (sequence.isReread) this.#roster.end(sequence);
    }
  }
}
