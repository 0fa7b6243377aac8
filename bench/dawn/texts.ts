/**
 * Texts and times of engines that Dawn opens beside those that the runtime opens, in one process on
 * one driver: prints one JSON object a line. Run by `dawn.ts`, whose environment names the driver.
 */

import { createEngine } from "../../mod.ts";
import type { Engine, EngineOptions, GenerateEvent } from "../../mod.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";
import { seededRandom } from "../../tests/support/numeric.ts";
import { withTinyModel } from "../../tests/support/tiny_engine.ts";

/** What was compared. */
export interface TextResult {
  name: string;
  adapter: string;
  tokenCount: number;
  isEqual: boolean;
  /** Of a token, with both engines loaded, the least of all rounds. */
  decodeMs: { deno: number; dawn: number };
}

type Finish = Extract<GenerateEvent, { type: "finish" }>;

/** Texts of a prompt, greedy and drawn, in turn. */
const ROUND_COUNT = 4;

async function compare(
  name: string,
  options: EngineOptions,
  { promptCount, tokenCount }: { promptCount: number; tokenCount: number },
): Promise<TextResult> {
  const engines: [webgpu: "deno" | "dawn", engine: Engine][] = [];
  for (const webgpu of ["deno", "dawn"] as const) {
    engines.push([webgpu, await createEngine({ ...options, webgpu, sequenceCountMax: 1 })]);
  }
  const decodeMs = { deno: Infinity, dawn: Infinity };
  let isEqual = true;
  for (let round = 0; round < ROUND_COUNT; round++) {
    const vocabSize = engines[0][1].info.vocabSize;
    const random = seededRandom(round);
    const promptIds = Array.from({ length: promptCount }, () => Math.floor(random() * vocabSize));
    const sampling = round % 2 === 0 ? { temperature: 0 } : { temperature: 1, seed: round };
    const texts: string[] = [];
    for (const [webgpu, engine] of engines) {
      const ids: number[] = [];
      const request = { promptIds, maxTokens: tokenCount, ignoreEos: true, sampling };
      let finish: Finish | null = null;
      for await (const event of engine.generate(request)) {
        if (event.type === "token") ids.push(event.id);
        if (event.type === "finish") finish = event;
      }
      texts.push(ids.join(" "));
      const each = finish!.timings.decodeMs / (tokenCount - 1);
      decodeMs[webgpu] = Math.min(decodeMs[webgpu], each);
    }
    isEqual &&= texts[0] === texts[1];
  }
  const { adapter } = engines[1][1].info;
  for (const [, engine] of engines) await engine.close();
  return { name, adapter, tokenCount: ROUND_COUNT * tokenCount, isEqual, decodeMs };
}

const say = (result: TextResult) => console.log(JSON.stringify(result));

for (const architecture of ["llama", "gemma3", "qwen3moe", "deepseek2"] as const) {
  await withTinyModel({ architecture }, async (modelPath) => {
    const profile = { name: architecture === "deepseek2" ? "exact" : "balanced" } as const;
    const options: EngineOptions = { modelPath, profile, contextLength: 512 };
    say(await compare(`tiny ${architecture}`, options, { promptCount: 200, tokenCount: 40 }));
  });
}
const options: EngineOptions = { modelPath: defaultModelPath(), contextLength: 1024 };
say(await compare("default model", options, { promptCount: 300, tokenCount: 64 }));
