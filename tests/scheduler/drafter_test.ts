import { assert, assertEquals, assertLess } from "@std/assert";
import { Drafter } from "../../src/scheduler/drafter.ts";
import { seededRandom } from "../support/numeric.ts";

Deno.test("Drafter proposes what followed the newest three tokens when they last appeared", () => {
  const drafter = new Drafter([1, 2, 3, 4, 5, 9, 1, 2, 3, 6, 7, 8, 1, 2, 3]);
  assertEquals(drafter.propose(0, 7), [6, 7]);
  assertEquals(drafter.propose(1, 7), [7]); // one token is in flight
  assertEquals(drafter.propose(0, 1), [6]);
});

Deno.test("Drafter proposes nothing without a match, and a short context is no error", () => {
  for (const ids of [[], [1], [1, 2, 3], [1, 2, 3, 4, 2, 3], [7, 1, 2, 3, 8, 1, 2]]) {
    assertEquals(new Drafter(ids).propose(0, 7), []);
  }
});

Deno.test("Drafter follows tokens that are added", () => {
  const ids = [5, 6, 7, 8];
  const drafter = new Drafter(ids);
  assertEquals(drafter.propose(0, 7), []);
  ids.push(1, 5, 6, 7);
  assertEquals(drafter.propose(0, 7), [8, 1]);
});

Deno.test("Drafter guesses more where guesses are right, and hardly ever where they are wrong", () => {
  const random = seededRandom(1);
  const sentence = Array.from({ length: 30 }, () => Math.floor(random() * 1000));
  const ids = [...sentence];
  const drafter = new Drafter(ids);
  for (let index = 0; index < 300; index++) ids.push(sentence[index % 30]);
  for (let step = 0; step < 40; step++) {
    const { length } = drafter.propose(0, 7);
    drafter.learn(length, length);
    ids.push(sentence[ids.length % 30]);
  }
  assertEquals(drafter.propose(0, 7).length, 7);
  // The same runs of three, but never what follows them.
  const wrong = new Drafter(ids);
  let guessedCount = 0;
  for (let step = 0; step < 1000; step++) {
    ids.push(2000 + step, ...sentence.slice(step % 20, step % 20 + 3));
    const { length } = wrong.propose(0, 7);
    if (length > 0) wrong.learn(length, 0);
    guessedCount += length;
  }
  assert(guessedCount > 0);
  assertLess(guessedCount, 60);
});
