/**
 * `packkv eval`: quality and size of a codec profile on a text, against the exact cache.
 *
 * @module
 */

import { evaluate, formatReport } from "../../bench/quality/eval.ts";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { loadModel } from "../../src/engine/load_model.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { ensureModel } from "../setup/model_path.ts";
import { ProgressLine } from "../setup/progress.ts";
import type { Command } from "./command.ts";
import { CODEC_FLAGS, readProfile } from "./engine_flags.ts";
import { parseFlags } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

const TOKEN_COUNT_DEFAULT = 2048;
const FROM_DEFAULT = 512;

/** The command. */
export const evalCommand: Command = {
  name: "eval",
  summary: "measure what a codec profile does to the model on a text",
  usage: "--text FILE [flags]",
  flags: {
    text: { value: "FILE", help: "text to read, UTF-8" },
    tokens: { value: "N", help: `tokens of it to use (default: ${TOKEN_COUNT_DEFAULT})` },
    from: { value: "N", help: `first position compared (default: ${FROM_DEFAULT})` },
    json: { help: "print one JSON object" },
    ...CODEC_FLAGS,
  },
  examples: [
    "packkv eval --text book.txt --profile paper",
    "packkv eval --text book.txt --tokens 4096 --k-rel 0.05 --v-rel 0.1 --json",
  ],
  notes: [
    "Every token is read from the cache in the state it would have in decode; the report is the",
    "divergence of the next-token distribution from that of the exact cache.",
  ],
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, evalCommand.flags);
  flags.refusePositionals();
  const textPath = flags.text("text");
  if (textPath === null) throw new UsageError("Cannot evaluate: --text FILE is missing");
  const range = { min: 1, max: 2 ** 20, isInteger: true };
  const tokenCount = flags.number("tokens", range) ?? TOKEN_COUNT_DEFAULT;
  const from = flags.number("from", { ...range, min: 0 }) ?? Math.min(FROM_DEFAULT, tokenCount - 1);
  const profile = readProfile(flags);
  const text = await readText(textPath);
  const modelPath = await ensureModel(flags.text("model"));
  const progress = new ProgressLine();
  const model = await loadModel(await readGguf(modelPath), progress.update);
  try {
    const tokenizer = createTokenizer(model.file.metadata);
    const ids = tokenizer.tokenize(text, { parseSpecial: false });
    if (ids.length <= tokenCount) {
      throw new UsageError(
        `Cannot evaluate ${tokenCount} tokens: ${textPath} has ${ids.length}; one more is needed`,
      );
    }
    if (from >= tokenCount) {
      throw new UsageError(
        `Cannot evaluate from ${from}: must be less than --tokens ${tokenCount}`,
      );
    }
    const report = await evaluate(model, {
      profile,
      ids,
      tokenCount,
      from,
      onProgress: progress.update,
    });
    progress.finish();
    console.log(flags.has("json") ? JSON.stringify(report) : formatReport(report));
    return 0;
  } finally {
    progress.finish();
    model.gpu.close();
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new UsageError(
      `Cannot read --text ${path}: ${error instanceof Error ? error.message : error}`,
    );
  }
}
