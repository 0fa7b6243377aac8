/**
 * Random requests, aborts, plans and commits against a device that checks every read. Goal: no
 * block is lost or used twice, and every sequence gives the tokens it would give alone.
 */

import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { EngineError } from "../../src/core/errors.ts";
import { IN_FLIGHT_STEP_COUNT } from "../../src/scheduler/admission.ts";
import { Scheduler, type SchedulerOptions } from "../../src/scheduler/scheduler.ts";
import type { TokenDrafter } from "../../src/scheduler/drafter.ts";
import { dropBlocks } from "../../src/scheduler/seal_policies/drop_blocks.ts";
import type { StepPlan, StepResult } from "../../src/scheduler/step_plan.ts";
import { seededRandom } from "../support/numeric.ts";
import { keepMethod } from "../../src/scheduler/keep/registry.ts";
import type { KeepMethod } from "../../src/scheduler/keep/method.ts";
import { FakeDevice } from "./fake_device.ts";
import { storesOf } from "./fake_memory.ts";
import { expectedTokens, PACKING } from "./fake_text.ts";
import { type Case, CASES, CODELESS_STORE, recordWordsRange } from "./random_cases.ts";

const ID_MAX = 5000;

/** What stays of a prompt, and in which stores. */
interface Keep {
  method: KeepMethod;
  stores: readonly number[];
}

interface Life {
  promptIds: number[];
  salt: string;
  maxTokens: number;
  ignoreEos: boolean;
  keep: Keep | null;
  tokens: number[];
  ending: "none" | "finish" | "failed" | "aborted";
}

/** What texts ask for, in the stores that seal. */
function keepsOf(
  texts: readonly string[],
  { windowStoreCount = 0, near }: Pick<Case, "windowStoreCount" | "near">,
): (Keep | null)[] {
  const stores = [0, 1, 2].filter((store) =>
    store >= windowStoreCount && !near?.stores.includes(store)
  );
  return texts.map((text) => {
    const method = keepMethod(text);
    return method && { method, stores };
  });
}

/** One run: what was asked, what came, and the steps in flight. */
class Run {
  readonly scheduler: Scheduler;
  readonly lives = new Map<number, Life>();
  restartCount = 0;
  /** Restarts of sequences that had generated tokens, and those that repeat 128 at most. */
  answeringRestartCount = 0;
  resumeCount = 0;
  aheadCount = 0;
  inFlightCountMax = 0;
  partCount = 0;
  loadCount = 0;
  draftedCount = 0;
  rightCount = 0;
  sharedCountMax = 0;
  /** Tokens of answers that were read again. */
  rereadCount = 0;
  /** Prompt tokens that were left out at a start, by sequence. */
  readonly cachedCounts = new Map<number, number>();
  #sharesPrefixes: boolean;
  #continuedShare: number;
  #stems: number[][];
  #device: FakeDevice;
  #random: () => number;
  #inFlight: { plan: StepPlan; result: StepResult }[] = [];
  #begun = new Set<number>();
  /** Those of the lives that have not ended. */
  #alive = new Set<number>();
  #keeps: (Keep | null)[];
  #answerMax: number;
  #windowBlockCount: number;
  #nearBlockCount: number | undefined;
  /** Blocks that were made of what stays of prompts. */
  gatherCount = 0;
  #endPeriod = 150;
  /** Tokens of a block that are read behind the window. */
  #keptCount: (blockIndex: number) => number;

  constructor(options: Case) {
    const { wordsPerLayer, hitShareMin, hostBytes, codelessWords } = options;
    const sharesPrefixes = hitShareMin !== undefined;
    this.#random = seededRandom(options.seed);
    this.#sharesPrefixes = sharesPrefixes;
    this.#continuedShare = options.continuedShare ?? 0;
    this.#answerMax = options.answerMax ?? 200;
    const stem = () => Array.from({ length: 700 }, () => this.#randomId());
    this.#stems = [stem(), stem(), stem()];
    this.#stems.push([...this.#stems[0].slice(0, 300), ...stem().slice(300)]);
    const {
      windowStoreCount = 0,
      layerCount = 3,
      droppedBlocks = [],
      windowBlockCount = 2,
      rawTileCount = windowBlockCount,
      draftRowCount = 0,
      inFlightStepCountMax = IN_FLIGHT_STEP_COUNT,
    } = options;
    this.#windowBlockCount = windowBlockCount;
    const policy = dropBlocks(droppedBlocks);
    this.#keeps = keepsOf(options.keeps ?? ["all"], options);
    this.#nearBlockCount = options.near?.blockCount;
    this.#keptCount = (block) => {
      if (!policy.keeps(block)) return 0;
      return options.keepsParts ? 1 + (block * 29 + 40) % 64 : 64;
    };
    const { arenas, tileWords } = storesOf(wordsPerLayer, windowStoreCount);
    const schedulerOptions: SchedulerOptions = {
      ...{ sequenceCountMax: 4, waitingCountMax: 6, inFlightStepCountMax },
      contextLength: 1000,
      layerCount,
      windowBlockCount,
      arenas,
      near: options.near ?? null,
      ...recordWordsRange(options),
      policy,
      packing: PACKING,
      stepTokenCountMax: sharesPrefixes ? 24 : 128,
      blockCost: 0.05,
      ...(draftRowCount > 0
        ? { drafts: { rowCountMax: draftRowCount, create: (ids) => this.#drafter(ids) } }
        : {}),
      ...(hostBytes ? { host: { capacityBytes: hostBytes, saveWordCountMax: 3000 } } : {}),
      ...(sharesPrefixes ? { prefix: { root: "test", tileWords, rawTileCount } } : {}),
    };
    this.scheduler = new Scheduler(schedulerOptions);
    const { recordWordsMin, recordWordsMax } = options;
    const unitCount = (recordWordsMax - recordWordsMin) / 4;
    // Texts of high ids pack badly: sizes go with the sequence, so that the mean misleads.
    const recordWords = (ids: readonly number[], store: number) => {
      if (store < windowStoreCount) return 0;
      if (store === CODELESS_STORE && codelessWords !== undefined) return codelessWords;
      const highCount = ids.filter((id) => id > ID_MAX / 2).length;
      return recordWordsMin +
        4 * Math.round(unitCount * (highCount + store % 2) / (ids.length + 1));
    };
    this.#device = new FakeDevice({
      layerCount,
      arenas,
      endPeriod: this.#endPeriod,
      recordWords,
      windowBlockCount,
      ...(rawTileCount > windowBlockCount
        ? { longTileCount: rawTileCount }
        : { keptCount: this.#keptCount }),
      tileWords,
      near: options.near ?? null,
    });
  }

  /** Knows what follows, and is wrong now and then; proposes what it is asked for. */
  #drafter(ids: readonly number[]): TokenDrafter {
    const endPeriod = this.#endPeriod;
    const keptCount = this.#keptCount;
    const windowBlockCount = this.#windowBlockCount;
    const propose = (skipCount: number, countMax: number) => {
      const maxTokens = skipCount + countMax;
      const next = expectedTokens(ids, {
        maxTokens,
        ignoreEos: true,
        endPeriod,
        keptCount,
        windowBlockCount,
        ...this.#nearOption,
      });
      const isWrong = () => this.#random() < 0.3;
      return next.slice(skipCount).map((id) => isWrong() ? id + 1 : id);
    };
    return {
      propose,
      learn: (guessedCount, rightCount) => {
        assert(rightCount <= guessedCount);
        this.draftedCount += guessedCount;
        this.rightCount += rightCount;
      },
    };
  }

  get #nearOption() {
    const nearBlockCount = this.#nearBlockCount;
    return nearBlockCount === undefined ? {} : { nearBlockCount };
  }

  #randomId(): number {
    return 1 + Math.floor(this.#random() * ID_MAX / 2);
  }

  /** A prompt that begins as others do, or not. */
  #drawPrompt(): number[] {
    const random = this.#random;
    const length = random() < 0.3 ? Math.ceil(random() * 700) : Math.ceil(random() * 130);
    const idMin = random() < 0.25 ? ID_MAX / 2 : 1;
    const own = Array.from({ length }, () => idMin + Math.floor(random() * ID_MAX / 2));
    if (!this.#sharesPrefixes || random() < 0.2) return own;
    if (this.#continuedShare > 0 && random() < this.#continuedShare) {
      const answered = [...this.lives.values()].filter(({ ending }) => ending === "finish");
      const { promptIds, tokens } = answered.at(-1 - Math.floor(random() * 3)) ??
        { promptIds: [], tokens: [] };
      if (promptIds.length + tokens.length < 700) {
        return [...promptIds, ...tokens, 0, ...own.slice(0, 60)];
      }
    }
    const stem = this.#stems[Math.floor(random() * this.#stems.length)];
    const count = random() < 0.5 ? stem.length : Math.ceil(random() * stem.length);
    return [...stem.slice(0, count), ...own.slice(0, 60)];
  }

  admit(sequenceId: number): void {
    const random = this.#random;
    const promptIds = this.#drawPrompt();
    const salt = random() < 0.2 ? "tenant" : "";
    const maxTokens = Math.floor(random() * this.#answerMax); // 0 only prefills
    const ignoreEos = random() < 0.3;
    const keep = this.#keeps[sequenceId % this.#keeps.length];
    try {
      this.scheduler.admit({
        sequenceId,
        promptIds,
        maxTokens,
        eosIds: [0],
        ignoreEos,
        cacheSalt: salt,
        priority: this.#sharesPrefixes ? Math.floor(random() * 3) : 0,
        skipsCache: random() < 0.1,
        drafts: random() < 0.8,
        isContinued: random() < this.#continuedShare,
        messageEnds: random() < this.#continuedShare ? [70, 200, 201, 450, promptIds.length] : [],
        keep: keep?.method ?? null,
      });
    } catch (error) {
      assert(error instanceof EngineError, String(error));
      assert(["queue_full", "cache_exhausted"].includes(error.code), error.message);
      return;
    }
    this.lives.set(sequenceId, {
      promptIds,
      salt,
      maxTokens,
      ignoreEos,
      keep,
      tokens: [],
      ending: "none",
    });
    this.#alive.add(sequenceId);
  }

  /** Aborts a sequence if one lives; returns whether there was one. */
  abortOne(): boolean {
    if (this.#alive.size === 0) return false;
    const sequenceId = [...this.#alive][Math.floor(this.#random() * this.#alive.size)];
    this.scheduler.abort(sequenceId);
    this.#end(sequenceId, "aborted");
    return true;
  }

  #end(sequenceId: number, ending: Life["ending"]): void {
    this.lives.get(sequenceId)!.ending = ending;
    this.#alive.delete(sequenceId);
  }

  /** Plans a step if that may be; returns whether there was one. */
  plan(): boolean {
    const plan = this.scheduler.plan();
    if (plan === null) return false;
    if (this.#inFlight.length > 0) this.aheadCount++;
    for (const { sequenceId, cachedTokenCount, storedIds } of plan.starts) {
      if (sequenceId < 0) continue;
      const { promptIds, tokens } = this.lives.get(sequenceId)!;
      if (this.#begun.has(sequenceId)) {
        this.restartCount++;
        if (tokens.length > 0) {
          this.answeringRestartCount++;
          const repeatedCount = promptIds.length - cachedTokenCount +
            tokens.length - storedIds.length;
          if (repeatedCount <= 128) this.resumeCount++;
        }
      } else this.cachedCounts.set(sequenceId, cachedTokenCount);
      assertEquals(storedIds, tokens.slice(0, storedIds.length));
      this.#begun.add(sequenceId);
    }
    if (plan.slice && !plan.slice.isComplete) this.partCount++;
    this.loadCount += plan.loads.length;
    this.gatherCount += plan.measures.filter(({ gather }) => gather).length;
    if (plan.slice) {
      const { sequenceId, position, ids } = plan.slice;
      if (sequenceId < 0) this.rereadCount += ids.length;
      const { promptIds } = this.lives.get(sequenceId) ?? { promptIds: { length: Infinity } };
      assert(position + ids.length <= promptIds.length, "what was decoded is decoded again");
    }
    this.sharedCountMax = Math.max(this.sharedCountMax, this.scheduler.stats().sharedBlockCount);
    this.#inFlight.push({ plan, result: this.#device.run(plan) });
    this.inFlightCountMax = Math.max(this.inFlightCountMax, this.#inFlight.length);
    return true;
  }

  /** Commits the oldest step in flight; returns whether there was one. */
  commit(): boolean {
    const step = this.#inFlight.shift();
    if (step) this.scheduler.commit(step.plan, step.result);
    return step !== undefined;
  }

  drain(): void {
    for (const event of this.scheduler.drainEvents()) {
      if (event.sequenceId < 0) continue;
      const life = this.lives.get(event.sequenceId)!;
      assertEquals(life.ending, "none");
      if (event.type === "token") life.tokens.push(event.id);
      if (event.type === "failed") {
        assertEquals(event.code, "cache_exhausted");
        this.#end(event.sequenceId, "failed");
      }
      if (event.type !== "finish") continue;
      this.#end(event.sequenceId, "finish");
      const wanted = expectedTokens(life.promptIds, {
        ...life,
        endPeriod: this.#endPeriod,
        keptCount: this.#keptCount,
        windowBlockCount: this.#windowBlockCount,
        ...this.#nearOption,
      });
      assertEquals(life.tokens, wanted);
      assertEquals(event.reason, wanted.length === life.maxTokens ? "length" : "stop");
      assertEquals(event.completionTokenCount, wanted.length);
      assertEquals(event.promptTokenCount, life.promptIds.length);
      assertEquals(event.cachedTokenCount, this.cachedCounts.get(event.sequenceId));
    }
  }
}

for (const options of CASES) {
  const { why, seed, eventCount, abortShare, preemptionCountMin } = options;
  Deno.test(`Scheduler gives every sequence its own tokens in random runs (${why}, seed ${seed})`, () => {
    const run = new Run(options);
    const random = seededRandom(seed + 1000);
    for (let index = 0; index < eventCount; index++) {
      const kind = random();
      const admitShare = options.answerMax ? 0.08 : 0.04;
      if (kind < admitShare) run.admit(index);
      else if (kind < admitShare + 0.04 * abortShare * 4) {
        if (!run.abortOne()) continue;
      } else if (kind < 0.55) run.plan();
      else if (!run.commit()) continue; // The scheduler was not asked for anything.
      run.drain();
      run.scheduler.checkIntegrity();
    }
    // Steps in flight may have to be committed before anything more can be planned.
    while (run.plan() || run.commit()) {
      run.drain();
      run.scheduler.checkIntegrity();
    }
    run.drain();
    const endings = [...run.lives.values()].map(({ ending }) => ending);
    assert(!endings.includes("none"), "every sequence ends");
    assertGreaterOrEqual(endings.filter((ending) => ending === "finish").length, 30);
    assertGreaterOrEqual(run.restartCount, preemptionCountMin);
    assertGreaterOrEqual(run.lives.size, options.lifeCountMin ?? 0);
    assertGreaterOrEqual(run.gatherCount, options.keeps ? 1000 : 0);
    const wantedCount = run.answeringRestartCount * (options.resumeShareMin ?? 0);
    assertGreaterOrEqual(run.resumeCount, wantedCount);
    assertGreaterOrEqual(run.aheadCount, 100);
    assertEquals(run.inFlightCountMax, options.inFlightStepCountMax ?? IN_FLIGHT_STEP_COUNT);
    const { runningCount, waitingCount, allocatedWordCount, cacheUsage } = run.scheduler.stats();
    assertEquals([runningCount, waitingCount, allocatedWordCount, cacheUsage], [0, 0, 0, 0]);
    const { draftTokenCount, acceptedTokenCount } = run.scheduler.stats();
    assertEquals([draftTokenCount, acceptedTokenCount], [run.draftedCount, run.rightCount]);
    assertGreaterOrEqual(run.rightCount, options.draftRowCount ? 500 : 0);
    assertGreaterOrEqual(run.draftedCount - run.rightCount, options.draftRowCount ? 500 : 0);
    if (options.hitShareMin !== undefined) {
      const hits = [...run.cachedCounts.values()].filter((count) => count > 0);
      assertGreaterOrEqual(hits.length, run.cachedCounts.size * options.hitShareMin);
      assertGreaterOrEqual(run.sharedCountMax, 3);
      assertGreaterOrEqual(run.partCount, 100);
      assertGreaterOrEqual(run.loadCount, options.hostBytes ? 200 : 0);
      assertGreaterOrEqual(run.scheduler.stats().retainedWordCount, 1);
      assertGreaterOrEqual(run.rereadCount, options.continuedShare ? 1000 : 0);
    }
    run.scheduler.checkIntegrity();
  });
}
