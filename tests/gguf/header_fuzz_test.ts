import { assert, assertLess } from "@std/assert";
import fc from "fast-check";
import { EngineError } from "../../src/core/errors.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import type { GgufValue } from "../support/write_gguf.ts";
import { readModelPlan } from "../../src/model/architectures/registry.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { writeTinyModel } from "../support/tiny_model.ts";
import { tinyVocabularyMetadata } from "../support/tiny_vocabulary.ts";
import { threadMs } from "../support/waiting.ts";

const LIMIT_MS = 5000;

/** Reads all that loading reads on the main thread; only an EngineError may end it, and soon. */
async function read(path: string): Promise<void> {
  const startMs = threadMs();
  try {
    const file = await readGguf(path);
    readModelPlan(file);
    createTokenizer(file.metadata, file.tensors);
  } catch (error) {
    assert(error instanceof EngineError, `${(error as Error).stack}`);
    assert(error.message.length < 2000, error.message.slice(0, 200));
  }
  assertLess(threadMs() - startMs, LIMIT_MS);
}

async function withFile(work: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".gguf" });
  try {
    await work(path);
  } finally {
    await Deno.remove(path);
  }
}

/** Every number of a model's metadata that loading makes something of. */
const NUMBER_KEYS = [
  "llama.block_count",
  "llama.embedding_length",
  "llama.feed_forward_length",
  "llama.attention.head_count",
  "llama.attention.head_count_kv",
  "llama.attention.key_length",
  "llama.attention.value_length",
  "llama.attention.layer_norm_rms_epsilon",
  "llama.rope.dimension_count",
  "llama.rope.freq_base",
  "llama.rope.scale_linear",
  "llama.context_length",
  "llama.expert_count",
  "split.count",
  "general.alignment",
  "tokenizer.ggml.eos_token_id",
  "tokenizer.ggml.eot_token_id",
  "tokenizer.ggml.bos_token_id",
];

const NUMBERS: fc.Arbitrary<GgufValue> = fc.oneof(
  fc.constantFrom<GgufValue>(0, 1, 2, -1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 1_000_000),
  fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }),
  fc.float().map((f32) => ({ f32 })),
  fc.constantFrom<GgufValue>({ f32: NaN }, { f32: Infinity }, { f32: -Infinity }, true, "7", ""),
  fc.array(fc.nat(2 ** 32 - 1), { maxLength: 4 }),
);

Deno.test("no number in the place of another takes long or ends in anything but a refusal", () =>
  withFile(async (path) => {
    const changes = fc.dictionary(fc.constantFrom(...NUMBER_KEYS), NUMBERS, {
      minKeys: 1,
      maxKeys: 3,
      noNullPrototype: true,
    });
    await fc.assert(
      fc.asyncProperty(changes, async (metadata) => {
        await writeTinyModel(path, { metadata });
        await read(path);
      }),
      { numRuns: 300 },
    );
  }));

Deno.test("no changed bytes of a header take long or end in anything but a refusal", () =>
  withFile(async (path) => {
    await writeTinyModel(path, { metadata: tinyVocabularyMetadata() });
    const whole = await Deno.readFile(path);
    const { tensors } = await readGguf(path);
    const headerEnd = Math.min(...[...tensors.values()].map(({ offsetBytes }) => offsetBytes));
    const change = fc.record({
      at: fc.nat(headerEnd - 1),
      // Single bytes, and whole counts of 8.
      bytes: fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 8 }),
        fc.constantFrom(new Uint8Array(8).fill(255), Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0)),
      ),
    });
    const cut = fc.option(fc.nat(whole.length), { nil: whole.length });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), cut, async (all, end) => {
        const bytes = whole.slice();
        for (const { at, bytes: put } of all) bytes.set(put.subarray(0, bytes.length - at), at);
        await Deno.writeFile(path, bytes.subarray(0, end));
        await read(path);
      }),
      { numRuns: 1000 },
    );
  }));
