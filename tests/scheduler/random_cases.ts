/** Random runs of the scheduler: how much memory there is, and what is shared, kept or dropped. */

import type { NearStores } from "../../src/scheduler/block_memory.ts";

/** One run. */
export interface Case {
  why: string;
  seed: number;
  eventCount: number;
  /** Words of the arena for each layer. */
  wordsPerLayer: number;
  abortShare: number;
  recordWordsMin: number;
  recordWordsMax: number;
  /** Words of a record of {@link CODELESS_STORE}; it has codes of its own if left out. */
  codelessWords?: number;
  preemptionCountMin: number;
  /** Prompts begin alike, and blocks are shared: least share of starts that find some. */
  hitShareMin?: number;
  /** Host memory for blocks; none if left out. */
  hostBytes?: number;
  /** Least share of restarts that go on behind what the sequence had left on the host. */
  resumeShareMin?: number;
  /** Layers of the model; 3 if left out, one for each store. */
  layerCount?: number;
  /** Blocks that the policy drops; none if left out. */
  droppedBlocks?: number[];
  /** Whether records keep some of their tokens only. */
  keepsParts?: boolean;
  /** Steps that may be planned and not committed; 2 if left out. */
  inFlightStepCountMax?: number;
  /** Rows of a step for guesses of next tokens; none if left out. */
  draftRowCount?: number;
  /** Share of requests whose answer the next turn repeats; none if left out. */
  continuedShare?: number;
  /** Stores of the first arena, from the first on, that keep a window only. */
  windowStoreCount?: number;
  /** Whole blocks that stay in the window; 2 if left out. */
  windowBlockCount?: number;
  /** Raw tiles that a sequence needs before the block it begins at; those of it if left out. */
  rawTileCount?: number;
  /** Stores whose rows see this many blocks before their own, sealed ones among them. */
  near?: NearStores;
  /** What stays of prompts, a request's drawn from these; all if left out. */
  keeps?: string[];
  /** Most tokens that a request asks for; 200 if left out. */
  answerMax?: number;
  /** Least number of sequences that are admitted. */
  lifeCountMin?: number;
}

/** The store that reads the codes of the one before, in the same arena, where one does. */
export const CODELESS_STORE = 1;

/** Bounds of the mean over the stores of an arena: lower where one of two has no codes. */
export function recordWordsRange({ recordWordsMin: min, recordWordsMax, codelessWords }: Case) {
  const recordWordsMin = codelessWords === undefined ? min : Math.floor((min + codelessWords) / 2);
  return { recordWordsMin, recordWordsMax };
}

export const CASES: Case[] = [
  {
    why: "records without codes, layers that share stores, scarce memory, a host and guesses",
    seed: 23,
    eventCount: 24_000,
    layerCount: 7,
    codelessWords: 100,
    recordWordsMin: 400,
    recordWordsMax: 400,
    wordsPerLayer: 3_500,
    abortShare: 0.05,
    answerMax: 60,
    draftRowCount: 9,
    preemptionCountMin: 10,
    hitShareMin: 0.05,
    hostBytes: 200_000,
    resumeShareMin: 0.1,
  },
  {
    why: "up to 9 steps in flight, guesses, scarce memory and a small host tier",
    seed: 24,
    eventCount: 12_000,
    inFlightStepCountMax: 9,
    draftRowCount: 4,
    wordsPerLayer: 2_200,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 5,
    hitShareMin: 0.1,
    hostBytes: 300_000,
  },
  {
    why: "a store whose blocks are freed behind its rows, scarce memory and a small host tier",
    seed: 20,
    eventCount: 30_000,
    near: { stores: [1], blockCount: 4 },
    wordsPerLayer: 3_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 10,
    hitShareMin: 0.1,
    hostBytes: 300_000,
    resumeShareMin: 0.1,
  },
  {
    why: "a store whose blocks are freed, less kept of prompts, one that seals nothing, guesses",
    seed: 21,
    eventCount: 20_000,
    answerMax: 24,
    keeps: ["all", "chunkkv:ratio=0.5", "dbudgetkv:theta=0.1", "think:ratio=0.4"],
    near: { stores: [1], blockCount: 5 },
    windowStoreCount: 1,
    draftRowCount: 9,
    wordsPerLayer: 4_500,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 1,
    hitShareMin: 0.05,
    hostBytes: 2 ** 21,
  },
  {
    why: "no window, stores whose blocks are freed, blocks that are dropped, answers read again",
    seed: 22,
    eventCount: 20_000,
    windowBlockCount: 0,
    near: { stores: [0, 2], blockCount: 3 },
    droppedBlocks: [1, 5],
    continuedShare: 0.5,
    wordsPerLayer: 2_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 1,
    hitShareMin: 0.05,
  },
  {
    why:
      "less is kept of prompts, by methods mixed, layers that share stores, little memory, a host",
    seed: 16,
    eventCount: 316_000,
    layerCount: 7,
    answerMax: 24,
    keeps: [
      "all",
      "chunkkv:ratio=0.5",
      "chunkkv:tokens=300,chunk=10",
      "chunkkv:ratio=0.6,chunk=64,w=64",
      "chunkkv:budget=auto,theta=0.2",
      "dbudgetkv:theta=0.1",
      "dbudgetkv:theta=0.3,rank=attention",
      "think:ratio=0.4",
      "chunkkv:ratio=0.5,think:ratio=0.2",
    ],
    lifeCountMin: 10_000,
    windowStoreCount: 1,
    wordsPerLayer: 4_500,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 20,
    hitShareMin: 0.05,
    hostBytes: 200_000,
    resumeShareMin: 0.02,
  },
  {
    why: "blocks sealed as soon as they are full, scarce memory, shared prefixes and a host",
    seed: 17,
    eventCount: 40_000,
    windowBlockCount: 0,
    wordsPerLayer: 1_600,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 5,
    hitShareMin: 0.15,
    hostBytes: 200_000,
    resumeShareMin: 0.2,
  },
  {
    why: "no window, guesses, and a store that keeps 5 tiles and seals nothing",
    seed: 18,
    eventCount: 30_000,
    windowBlockCount: 0,
    windowStoreCount: 1,
    rawTileCount: 5,
    draftRowCount: 9,
    wordsPerLayer: 4_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 5,
    hitShareMin: 0.1,
    hostBytes: 2 ** 21,
  },
  {
    why: "a window of 5 blocks, less kept of prompts, shared prefixes and a host",
    seed: 19,
    eventCount: 60_000,
    answerMax: 24,
    windowBlockCount: 5,
    keeps: ["all", "chunkkv:ratio=0.5", "dbudgetkv:theta=0.1"],
    wordsPerLayer: 4_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 1,
    hitShareMin: 0.05,
    hostBytes: 2 ** 21,
  },
  {
    why: "guesses, scarce memory, shared prefixes and a host",
    seed: 11,
    eventCount: 30_000,
    wordsPerLayer: 4_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 5,
    hitShareMin: 0.1,
    hostBytes: 200_000,
    draftRowCount: 9,
  },
  {
    why: "answers that are read again, shared prefixes, scarce memory, a small host tier",
    seed: 13,
    eventCount: 40_000,
    wordsPerLayer: 4_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 10,
    hitShareMin: 0.15,
    hostBytes: 200_000,
    draftRowCount: 9,
    continuedShare: 0.5,
  },
  {
    why: "answers that are read again, scarce memory, no host",
    seed: 14,
    eventCount: 20_000,
    wordsPerLayer: 4_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 5,
    hitShareMin: 0.05,
    continuedShare: 0.8,
  },
  {
    why: "room for all",
    seed: 1,
    eventCount: 6000,
    wordsPerLayer: 100_000,
    abortShare: 0.02,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 0,
  },
  {
    why: "scarce memory, sizes that vary by 4",
    seed: 2,
    eventCount: 20_000,
    wordsPerLayer: 3_000,
    abortShare: 0.02,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 5,
  },
  {
    why: "scarce memory, one size",
    seed: 3,
    eventCount: 6000,
    wordsPerLayer: 2_600,
    abortShare: 0.1,
    recordWordsMin: 256,
    recordWordsMax: 256,
    preemptionCountMin: 0,
  },
  {
    why: "shared prefixes, room to keep some",
    seed: 4,
    eventCount: 100_000,
    wordsPerLayer: 20_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 0,
    hitShareMin: 0.15,
  },
  {
    why: "shared prefixes, scarce memory",
    seed: 5,
    eventCount: 100_000,
    wordsPerLayer: 4_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 20,
    hitShareMin: 0.05,
  },
  {
    why: "shared prefixes, scarce memory, a small host tier",
    seed: 6,
    eventCount: 100_000,
    wordsPerLayer: 4_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 20,
    hitShareMin: 0.15,
    hostBytes: 200_000,
    resumeShareMin: 0.2,
  },
  {
    why: "shared prefixes, scarce memory, a large host tier",
    seed: 7,
    eventCount: 100_000,
    wordsPerLayer: 3_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 20,
    hitShareMin: 0.15,
    hostBytes: 2 ** 24,
    resumeShareMin: 0.8,
  },
  {
    why: "shared prefixes, layers that share stores, a store that keeps a window only",
    seed: 9,
    eventCount: 100_000,
    layerCount: 7,
    windowStoreCount: 1,
    wordsPerLayer: 2_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 20,
    hitShareMin: 0.15,
    hostBytes: 200_000,
    resumeShareMin: 0.2,
  },
  {
    why: "shared prefixes, records that keep some of their tokens, blocks that are dropped",
    seed: 11,
    eventCount: 100_000,
    droppedBlocks: [1, 5],
    keepsParts: true,
    wordsPerLayer: 1_800,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 20,
    hitShareMin: 0.15,
    hostBytes: 200_000,
    resumeShareMin: 0.2,
  },
  {
    why: "shared prefixes, blocks that are dropped",
    seed: 10,
    eventCount: 100_000,
    droppedBlocks: [0, 3, 4, 7],
    wordsPerLayer: 1_800,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 20,
    hitShareMin: 0.15,
    hostBytes: 200_000,
    resumeShareMin: 0.2,
  },
  {
    why: "shared prefixes, a store that keeps 5 tiles and seals nothing",
    seed: 12,
    eventCount: 50_000,
    windowStoreCount: 1,
    rawTileCount: 5,
    wordsPerLayer: 4_000,
    abortShare: 0.05,
    recordWordsMin: 100,
    recordWordsMax: 400,
    preemptionCountMin: 10,
    hitShareMin: 0.1,
    hostBytes: 2 ** 21,
    resumeShareMin: 0.2,
  },
];
