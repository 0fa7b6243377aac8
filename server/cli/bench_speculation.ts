/**
 * `packkv bench speculation`: what guessing ahead gains on edited code, in calls and on prose.
 *
 * @module
 */

import { createEngine, loadTokenizer } from "../../mod.ts";
import { withBos } from "../../src/tokenizer/with_bos.ts";
import {
  formatSpeculation,
  measureSpeculation,
  type SpeculationPrompt,
} from "../measure/speculation.ts";
import { ensureModel } from "../setup/model_path.ts";
import { ProgressLine } from "../setup/progress.ts";
import type { Command } from "./command.ts";
import { CODEC_FLAGS, readProfile } from "./codec_flags.ts";
import { parseFlags } from "./flags.ts";
import { SPECULATION_TEXTS } from "./speculation_texts.ts";

const TOKENS_DEFAULT = 256;
const ROUNDS_DEFAULT = 3;

/** The command. */
export const benchSpeculationCommand: Command = {
  name: "bench speculation",
  summary: "measure what guessing ahead gains on code and on prose",
  usage: "[flags]",
  flags: {
    ...CODEC_FLAGS,
    tokens: { value: "N", help: `tokens of an answer (default: ${TOKENS_DEFAULT})` },
    rounds: { value: "N", help: `answers of each kind (default: ${ROUNDS_DEFAULT})` },
    json: { help: "print one JSON object" },
  },
  examples: ["packkv bench speculation", "packkv bench speculation --rounds 5 --json"],
  notes: [
    "edit: a file, then the first lines of the same file with a name changed, to be continued.",
    "call: a call that writes the file, to be made again under a grammar of calls.",
    "prose: a sentence to be continued, which nothing repeats.",
    "Ratios are medians over rounds with and without, one after the other.",
  ],
  needsGpu: true,
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, benchSpeculationCommand.flags);
  flags.refusePositionals();
  const range = { min: 1, max: 4096, isInteger: true };
  const counts = {
    tokenCount: flags.number("tokens", range) ?? TOKENS_DEFAULT,
    roundCount: flags.number("rounds", { ...range, max: 100 }) ?? ROUNDS_DEFAULT,
  };
  const progress = new ProgressLine();
  const modelPath = await ensureModel(flags.text("model"));
  const tokenizer = await loadTokenizer(modelPath);
  const prompts: SpeculationPrompt[] = SPECULATION_TEXTS.map(({ text, ...prompt }) => {
    const ids = tokenizer.tokenize(text, { parseSpecial: false });
    return { ...prompt, promptIds: withBos(tokenizer, ids) };
  });
  const profile = readProfile(flags);
  const engine = await createEngine({ modelPath, profile, onProgress: progress.update });
  try {
    progress.update("measuring");
    await measureSpeculation(engine, prompts, { tokenCount: 8, roundCount: 1 }); // compiles
    const rates = await measureSpeculation(engine, prompts, counts);
    progress.finish();
    const { adapter, profile: name } = engine.info;
    const report = { adapter, profile: name, ...counts, rates };
    console.log(flags.has("json") ? JSON.stringify(report) : formatSpeculation(rates));
  } finally {
    progress.finish();
    await engine.close();
  }
  return 0;
}
