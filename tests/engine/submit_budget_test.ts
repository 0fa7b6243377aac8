/** Steps in several submits, none of which keeps a GPU for too long. */

import { assert, assertEquals } from "@std/assert";
import { StepClock } from "../../src/runtime/step_clock.ts";
import { SubmitBudget } from "../../src/runtime/submit_budget.ts";
import { StepHarness } from "../support/step_harness.ts";
import { tinyPrompt, withTinyModel } from "../support/tiny_engine.ts";

Deno.test("SubmitBudget gives as many layers as took the limit before, and few before any was measured", () => {
  const budget = new SubmitBudget(100);
  assertEquals([budget.decodeLayers, budget.sliceLayers(64)], [4, 4]);
  budget.measured({ decodeLayers: 32, sliceRowLayers: 0 }, 64);
  budget.measured({ decodeLayers: 0, sliceRowLayers: 32 * 64 }, 32 * 64);
  assertEquals([budget.decodeLayers, budget.sliceLayers(64)], [50, 1]);
  assertEquals(budget.sliceLayers(10), 10, "fewer rows take less");
  budget.measured({ decodeLayers: 32, sliceRowLayers: 0 }, 640);
  assertEquals(budget.decodeLayers, 5, "slower counts at once");
  budget.measured({ decodeLayers: 32, sliceRowLayers: 0 }, 64);
  assertEquals(budget.decodeLayers, 9, "faster counts by halves");
});

Deno.test("SubmitBudget learns from steps that do both, in the proportion of before", () => {
  const budget = new SubmitBudget(100);
  budget.measured({ decodeLayers: 10, sliceRowLayers: 100 }, 1000);
  assertEquals(budget.decodeLayers, 4, "nothing was known");
  budget.measured({ decodeLayers: 10, sliceRowLayers: 0 }, 100);
  budget.measured({ decodeLayers: 0, sliceRowLayers: 100 }, 100);
  budget.measured({ decodeLayers: 10, sliceRowLayers: 100 }, 1000);
  assertEquals([budget.decodeLayers, budget.sliceLayers(10)], [2, 2]);
});

Deno.test("SubmitBudget learns on behind a slice that was read sooner than one without work", () => {
  const clock = new StepClock({ readsAll: true, waitMs: 10 });
  const budget = new SubmitBudget(100);
  clock.submitted(100);
  budget.measured({ decodeLayers: 0, sliceRowLayers: 100 }, clock.read(105)!);
  assert(budget.sliceLayers(10) < Infinity, "a submit has bounds");
  budget.measured({ decodeLayers: 10, sliceRowLayers: 0 }, 100);
  assertEquals(budget.decodeLayers, 10);
  budget.measured({ decodeLayers: 10, sliceRowLayers: 100 }, 1000);
  assertEquals(budget.decodeLayers, 1);
});

Deno.test("SubmitBudget without bounds gives all layers, whatever they took", () => {
  const budget = new SubmitBudget(Infinity);
  budget.measured({ decodeLayers: 2, sliceRowLayers: 0 }, 1e6);
  assertEquals([budget.decodeLayers, budget.sliceLayers(64)], [Infinity, Infinity]);
});

/** Ids that two sequences sample, one of which begins while the other decodes; submits by step. */
async function sampled(path: string, submitMsMax: number) {
  const harness = await StepHarness.open(path, {
    profile: { name: "exact" },
    slotCount: 2,
    contextLength: 512,
    submitMsMax,
  });
  const { runner } = harness;
  const submitCounts: number[] = [];
  const submit = runner.submit.bind(runner);
  runner.submit = (encoded) => {
    submitCounts.push(encoded.commands.length);
    submit(encoded);
  };
  const ids: [number, number][] = [];
  harness.admit(1, tinyPrompt(140, 3), 12);
  for (let turn = 0;; turn++) {
    if (turn === 4) harness.admit(2, tinyPrompt(70, 5), 6);
    const step = await harness.step();
    if (step === null) break;
    ids.push(...step.result.ids);
  }
  harness.close();
  return { ids, submitCounts };
}

Deno.test("a step in several submits gives the same tokens as in one", () =>
  withTinyModel({ layerCount: 6 }, async (path) => {
    const whole = await sampled(path, Infinity);
    assertEquals(new Set(whole.submitCounts), new Set([1]));
    const cut = await sampled(path, 1e-6);
    assertEquals(cut.ids, whole.ids);
    assert(Math.max(...cut.submitCounts) >= 12, `${cut.submitCounts}: decode and slice by layer`);
    assertEquals(cut.submitCounts[0], 2, "4 layers and 2 as nothing was measured");
  }));
