/**
 * Numeric truth: seeded models of each architecture and mix of tensor types in profile `exact`
 * against logits that an independent f32 implementation computed from the same files; and of each
 * architecture in `near-lossless` against `exact`.
 */

import { assert, assertEquals } from "@std/assert";
import { stepFactor } from "../../src/calibration/tables.ts";
import { codecProfile, needsCalibration } from "../../src/codec/profile.ts";
import { SLICE_TOKEN_COUNT } from "../../src/core/shapes.ts";
import { measureCalibration } from "../../src/runtime/calibration_run.ts";
import { calibrationIds } from "../../src/runtime/calibration_source.ts";
import { meanDivergence, withPromise } from "../../src/runtime/held_promise.ts";
import type { LoadedModel } from "../../src/runtime/load_model.ts";
import { createSequenceRun } from "../../src/runtime/sequence_run.ts";
import { loadModel } from "../../src/runtime/load_model.ts";
import { type GgufFile, readGguf } from "../../src/gguf/read_gguf.ts";
import { assertGoldenRows, checkGolden, type GoldenCase, goldenRows } from "../support/golden.ts";
import { referenceLogits } from "../support/reference_model.ts";
import { sharedFile } from "../support/shared.ts";

/** Logits have a standard deviation of 1.3 to 4.1. */
const LIMITS = { logitErrorMax: 0.01, logprobErrorMeanMax: 0.003, greedyMarginMin: 0.02 };

/** What f64 loops differ by from f32 ones, over a few layers. */
const EXACT_LIMITS = { logitErrorMax: 0.0005, logprobErrorMeanMax: 0.0001 };

/**
 * Against f64 loops with keys and values rounded to f16. Sums in f32 round a few of them to the
 * other side, and each layer carries that on: 0.006 here, and as much between two such loops whose
 * keys and values differ by 1e-6. Greedy tokens are those of an exact cache, which two logits of
 * smollm3 may miss by 0.021 each.
 */
const F16_CACHE_LIMITS = { ...LIMITS, greedyMarginMin: 0.05 };

const RUN = [
  "llama.f16.gguf",
  "llama-linear.f16.gguf",
  "llama.q8_0.gguf",
  "llama.q6_k.gguf",
  "llama.q5_k_m.gguf",
  "llama.q4_k_m.gguf",
  "llama.q4_k_s.gguf",
  "llama.q5_0.gguf",
  "llama.q5_1.gguf",
  "llama.q4_0.gguf",
  "llama.q4_1.gguf",
  "llama.iq4_nl.gguf",
  "llama.iq4_xs.gguf",
  "llama.q2_k.gguf",
  "llama.q3_k_m.gguf",
  "qwen2.f16.gguf",
  "qwen2-yarn.f16.gguf",
  "qwen3.f16.gguf",
  "phi3.f16.gguf",
  "phi3-long.f16.gguf",
  "granite.f16.gguf",
  "gpt-oss.f16.gguf",
  "gpt-oss.mxfp4_moe.gguf",
  "llama-moe.f16.gguf",
  "qwen3moe.f16.gguf",
  "qwen3moe.q4_k_m.gguf",
  "olmo2.f16.gguf",
  "mistral3.f16.gguf",
  "gemma2.f16.gguf",
  "gemma3.f16.gguf",
];

/**
 * Models whose logits move by more than {@link LIMITS} when keys and values are rounded to f16, as
 * every cache here keeps them: in plain f64 loops too.
 */
const RUN_BY_F16_REFERENCE = ["smollm3.f16.gguf"];

type ArchCase = GoldenCase & { file: string };

async function readCases(): Promise<ArchCase[]> {
  const path = sharedFile("golden/archs/archs.json");
  return path === null ? [] : JSON.parse(await Deno.readTextFile(path));
}

const cases = await readCases();
const openFile = (name: string): Promise<GgufFile> => readGguf(sharedFile(`golden/archs/${name}`)!);

/** What `near-lossless` promises. */
const DIVERGENCE_MAX = 0.005;
/** As few as can be: of the first start's text, and so one block of 64 is packed as in a prompt. */
const CALIBRATION_TOKENS = 256;

/**
 * The step factors that the first start finds with so few, by model: powers of `2 ** -0.25`.
 * Finding them takes three or four runs, so that is done for {@link FOUND_AGAIN} alone.
 */
const STEP_FACTORS: Readonly<Record<string, number>> = {
  "llama.f16.gguf": 9,
  "llama-moe.f16.gguf": 12,
  "mistral3.f16.gguf": 11,
  "qwen2.f16.gguf": 8,
  "qwen3.f16.gguf": 6,
  "qwen3moe.f16.gguf": 12,
  "gemma2.f16.gguf": 0,
  "gemma3.f16.gguf": 0,
  "phi3.f16.gguf": 11,
  "granite.f16.gguf": 10,
  "smollm3.f16.gguf": 16,
  "olmo2.f16.gguf": 11,
  "gpt-oss.f16.gguf": 7,
};

/** Models whose factor is found here, to one place: devices round apart. */
const FOUND_AGAIN = ["gemma3.f16.gguf", "gpt-oss.f16.gguf"];

/**
 * Holds `near-lossless` on what the window leaves of a prompt against `exact`, with the steps that
 * the first start of a model finds.
 */
async function assertPromise(
  model: LoadedModel,
  { prompt_ids: promptIds, file }: ArchCase,
  exact: readonly Float32Array[],
): Promise<void> {
  const profile = codecProfile({ name: "near-lossless" });
  assert(needsCalibration(profile));
  const ids = calibrationIds(model.file).slice(0, CALIBRATION_TOKENS);
  const measured = await measureCalibration(model, ids, () => {});
  const calibration = { ...measured, stepFactor: 2 ** (-STEP_FACTORS[file] / 4) };
  if (FOUND_AGAIN.includes(file)) {
    const found = await withPromise(model, { calibration: measured, profile, ids }, () => {});
    const place = -4 * Math.log2(found.stepFactor!);
    assert(Math.abs(place - STEP_FACTORS[file]) < 1.1, `the factor found is ${found.stepFactor}`);
  }
  const run = await createSequenceRun(model, { profile, promptIds, calibration });
  try {
    for (let end = SLICE_TOKEN_COUNT; end < promptIds.length; end += SLICE_TOKEN_COUNT) {
      await run.nextSlice({ wantsLogits: false });
    }
    const divergence = meanDivergence(exact, await run.nextSlice({ wantsLogits: true }));
    const { raw, packed } = run.cacheBytes();
    console.log(
      `${file}: mean KL ${divergence.toFixed(4)}, steps times ` +
        `${stepFactor(calibration, profile).toFixed(2)}, ${
          (raw / packed).toFixed(2)
        } times smaller`,
    );
    assert(packed > 0 && divergence > 0, "a block is packed");
    assert(divergence < DIVERGENCE_MAX, `mean KL of ${file} is ${divergence}`);
  } finally {
    run.destroy();
  }
}

Deno.test("every golden model is run", () => {
  const names = cases.map(({ file }) => file).sort();
  if (names.length > 0) {
    assertEquals([...RUN, ...RUN_BY_F16_REFERENCE].sort(), names);
  }
});

for (const golden of cases.filter(({ file }) => RUN.includes(file))) {
  const isArchitecture = golden.file in STEP_FACTORS;
  const near = isArchitecture ? ", near-lossless those of exact" : "";
  const name = `profile exact gives the golden logits and continuation of ${golden.file}${near}`;
  Deno.test(name, async () => {
    const model = await loadModel(await openFile(golden.file), () => {});
    try {
      let exact: Float32Array[] = [];
      const onLastSlice = (logits: Float32Array[]) => exact = logits;
      console.log(await checkGolden(model, golden, LIMITS, { onLastSlice }));
      if (isArchitecture) await assertPromise(model, golden, exact);
    } finally {
      model.gpu.close();
    }
  });
}

for (const golden of cases.filter(({ file }) => RUN_BY_F16_REFERENCE.includes(file))) {
  const { file: name, prompt_ids: promptIds } = golden;
  const claim = `profile exact is as far from the golden logits of ${name} as f16 is`;
  Deno.test(`${claim}, near-lossless near those of exact`, async () => {
    const file = await openFile(name);
    assertGoldenRows(referenceLogits(file, promptIds), golden, EXACT_LIMITS);
    const rounded = referenceLogits(file, promptIds, { kept: Math.f16round });
    const wanted = { ...golden, ...goldenRows(rounded, golden) };
    const model = await loadModel(file, () => {});
    try {
      let exact: Float32Array[] = [];
      const onLastSlice = (logits: Float32Array[]) => exact = logits;
      console.log(await checkGolden(model, wanted, F16_CACHE_LIMITS, { onLastSlice }));
      await assertPromise(model, golden, exact);
    } finally {
      model.gpu.close();
    }
  });
}
