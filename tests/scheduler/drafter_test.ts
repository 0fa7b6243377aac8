import { assert, assertEquals, assertLess } from "@std/assert";
import { Drafter, type StepRate } from "../../src/scheduler/drafter.ts";
import { Scheduler } from "../../src/scheduler/scheduler.ts";
import { seededRandom } from "../support/numeric.ts";

/** A step takes as long however many guesses it has. */
const FREE: StepRate = (_, rightCount) => 1 + rightCount;
/** Each guess takes a fifth of what the first row takes. */
const CHEAP: StepRate = (guessCount, rightCount) => (1 + rightCount) / (1 + 0.2 * guessCount);

Deno.test("Drafter proposes what followed the newest three tokens when they last appeared", () => {
  const drafter = new Drafter([1, 2, 3, 4, 5, 9, 1, 2, 3, 6, 7, 8, 1, 2, 3]);
  assertEquals(drafter.propose(0, 7, CHEAP), [6, 7]);
  assertEquals(drafter.propose(1, 7, CHEAP), [7]); // one token is in flight
  assertEquals(drafter.propose(0, 1, CHEAP), [6]);
});

Deno.test("Drafter proposes nothing without a match, and a short context is no error", () => {
  for (const ids of [[], [1], [1, 2, 3], [1, 2, 3, 4, 2, 3], [7, 1, 2, 3, 8, 1, 2]]) {
    assertEquals(new Drafter(ids).propose(0, 7, CHEAP), []);
  }
});

Deno.test("Drafter follows tokens that are added", () => {
  const ids = [5, 6, 7, 8];
  const drafter = new Drafter(ids);
  assertEquals(drafter.propose(0, 7, CHEAP), []);
  ids.push(1, 5, 6, 7);
  assertEquals(drafter.propose(0, 7, CHEAP), [8, 1]);
});

Deno.test("Drafter guesses more where guesses are right, and hardly ever where they are wrong", () => {
  const random = seededRandom(1);
  const sentence = Array.from({ length: 30 }, () => Math.floor(random() * 1000));
  const ids = [...sentence];
  const drafter = new Drafter(ids);
  for (let index = 0; index < 300; index++) ids.push(sentence[index % 30]);
  for (let step = 0; step < 40; step++) {
    const { length } = drafter.propose(0, 7, CHEAP);
    drafter.learn(length, length);
    ids.push(sentence[ids.length % 30]);
  }
  assertEquals(drafter.propose(0, 7, CHEAP).length, 7);
  // The same runs of three, but never what follows them.
  const wrong = new Drafter(ids);
  let guessedCount = 0;
  for (let step = 0; step < 1000; step++) {
    ids.push(2000 + step, ...sentence.slice(step % 20, step % 20 + 3));
    const { length } = wrong.propose(0, 7, CHEAP);
    if (length > 0) wrong.learn(length, 0);
    guessedCount += length;
  }
  assert(guessedCount > 0);
  assertLess(guessedCount, 60);
});

Deno.test("Drafter guesses as many as make the step's rate the highest", () => {
  const copied = Array.from({ length: 40 }, (_, index) => index);
  const drafter = new Drafter([...copied, ...copied.slice(0, 20)]);
  // Rows go by tiles of four: a fifth row costs as much as all of the next tile.
  const byTiles: StepRate = (guessCount, rightCount) =>
    (1 + rightCount) / Math.ceil((1 + guessCount) / 4);
  assertEquals(drafter.propose(0, 7, byTiles).length, 3);
  assertEquals(drafter.propose(0, 7, FREE).length, 7);
  assertEquals(drafter.propose(0, 7, (guessCount) => -guessCount), []);
  for (let step = 0; step < 60; step++) drafter.learn(3, 3);
  assertEquals(drafter.propose(0, 7, byTiles).length, 3, "two tiles gain no more than one");
});

Deno.test("Drafter learns of copies and of turns of phrase apart", () => {
  const copied = Array.from({ length: 40 }, (_, index) => index);
  const ids = [...copied, ...copied.slice(0, 20)];
  const drafter = new Drafter(ids);
  for (let step = 0; step < 60; step++) {
    drafter.propose(0, 7, CHEAP);
    drafter.learn(7, 7);
  }
  assertEquals(drafter.propose(0, 7, CHEAP).length, 7);
  ids.push(900, 901, 30, 31, 32); // a short match
  assertLess(drafter.propose(0, 7, CHEAP).length, 7);
});

/** Guesses of each row of the first step that decodes so many sequences, all of them copying. */
function guessCounts(sequenceCount: number, rowCost: (rowCount: number) => number): number[] {
  const scheduler = new Scheduler({
    sequenceCountMax: 4,
    waitingCountMax: 4,
    contextLength: 1000,
    layerCount: 1,
    arenas: [{ storeCount: 1, wordCount: 64 * 100 }],
    recordWordsMin: 64,
    recordWordsMax: 64,
    drafts: { rowCountMax: 8, rowCost },
  });
  const copied = Array.from({ length: 30 }, (_, index) => index);
  const promptIds = [...copied, ...copied.slice(0, 20)];
  for (let sequenceId = 1; sequenceId <= sequenceCount; sequenceId++) {
    scheduler.admit({
      sequenceId,
      promptIds,
      maxTokens: 9,
      eosIds: [],
      ignoreEos: true,
      drafts: true,
    });
  }
  while (true) {
    const plan = scheduler.plan()!;
    if (plan.decodes.length === sequenceCount) {
      return plan.decodes.map(({ draftIds }) => draftIds.length);
    }
    const rows = [...plan.decodes, ...(plan.slice?.isLast ? [plan.slice] : [])];
    const draftSamples = new Map(
      plan.decodes.map(({ sequenceId, draftIds }) => [sequenceId, draftIds.map(() => 999)]),
    );
    const ids = new Map(rows.map(({ sequenceId }) => [sequenceId, 20]));
    scheduler.commit(plan, { ids, recordWords: [], refused: [], draftSamples });
  }
}

Deno.test("a step has guesses as far as its rows are cheap, whichever sequence they are of", () => {
  const byTiles = (rowCount: number) => Math.ceil(rowCount / 4);
  assertEquals(guessCounts(1, byTiles), [3]);
  assertEquals(guessCounts(2, byTiles).reduce((sum, count) => sum + count), 2);
  assertEquals(guessCounts(1, () => 1), [7]);
  assertEquals(guessCounts(1, (rowCount) => rowCount), [0]);
});
