/**
 * `packkv bench document`: what a second question on a long document costs, also after a restart.
 *
 * @module
 */

import { loadTokenizer } from "../../mod.ts";
import { withBos } from "../../src/tokenizer/with_bos.ts";
import { formatDocument, measureDocument } from "../measure/document_twice.ts";
import { ensureModel } from "../setup/model_path.ts";
import { ProgressLine } from "../setup/progress.ts";
import type { Command } from "./command.ts";
import { CODEC_FLAGS, readProfile } from "./codec_flags.ts";
import { parseFlags } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

const TOKENS_DEFAULT = 6000;

/** The command. */
export const benchDocumentCommand: Command = {
  name: "bench document",
  summary: "measure a second question on a long document, at once and after a restart",
  usage: "--text FILE [flags]",
  flags: {
    ...CODEC_FLAGS,
    text: { value: "FILE", help: "the document, UTF-8" },
    tokens: { value: "N", help: `tokens of it to use (default: ${TOKENS_DEFAULT})` },
    json: { help: "print one JSON object" },
  },
  examples: ["packkv bench document --text book.txt", "packkv bench document --text a.txt --json"],
  notes: ["Blocks go through a temporary folder, as with `packkv serve --kv-disk DIR`."],
  needsGpu: true,
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, benchDocumentCommand.flags);
  flags.refusePositionals();
  const path = flags.text("text");
  if (path === null) throw new UsageError("Cannot measure without --text FILE");
  const tokenCount = flags.number("tokens", { min: 64, max: 2 ** 20, isInteger: true }) ??
    TOKENS_DEFAULT;
  const text = await Deno.readTextFile(path).catch((error) => {
    throw new UsageError(`Cannot read --text ${path}: ${error.message}`);
  });
  const modelPath = await ensureModel(flags.text("model"));
  const tokenizer = await loadTokenizer(modelPath);
  const ids = withBos(tokenizer, tokenizer.tokenize(text, { parseSpecial: false }))
    .slice(0, tokenCount);
  if (ids.length < tokenCount) {
    throw new UsageError(`Cannot use ${tokenCount} tokens of ${path}: it has ${ids.length}`);
  }
  const progress = new ProgressLine();
  const diskFolder = await Deno.makeTempDir({ prefix: "packkv-document-" });
  try {
    progress.update("measuring");
    const options = { modelPath, profile: readProfile(flags), diskFolder };
    const report = await measureDocument({ ...options, onProgress: progress.update }, ids);
    progress.finish();
    console.log(flags.has("json") ? JSON.stringify(report) : formatDocument(report));
  } finally {
    progress.finish();
    await Deno.remove(diskFolder, { recursive: true });
  }
  return 0;
}
