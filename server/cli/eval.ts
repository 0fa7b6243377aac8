/**
 * `packkv eval`: quality and size of codec profiles on texts, against the exact cache.
 *
 * @module
 */

import { basename } from "node:path";
import { type EvalText, evaluate } from "../../src/evaluation/eval.ts";
import { formatContinuations } from "../../src/evaluation/continuations/continuations_table.ts";
import { formatCopying } from "../../src/evaluation/copying/copying_table.ts";
import { formatReports } from "../../src/evaluation/report_table.ts";
import { formatRetrieval } from "../../src/evaluation/retrieval/retrieval_table.ts";
import { WINDOW_TOKEN_COUNT } from "../../src/core/shapes.ts";
import type { LoadedModel, OnProgress } from "../../src/runtime/load_model.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { withBos } from "../../src/tokenizer/with_bos.ts";
import { ensureModel } from "../setup/model_path.ts";
import { ensureDawn } from "../setup/packages.ts";
import { ProgressLine } from "../setup/progress.ts";
import { ADAPTER_FLAGS, readAdapter } from "./adapter_flags.ts";
import type { Command } from "./command.ts";
import { CODEC_FLAGS } from "./codec_flags.ts";
import {
  type ContinuationRequest,
  readContinuations,
  runContinuations,
} from "./eval_continuations.ts";
import { type CopyingRequest, readCopying, runCopying } from "./eval_copying.ts";
import { readBudgets, readReadMethods, runKeptAttention, runReading } from "./eval_reading.ts";
import { type CodecRequest, readCodecRequests, resolveCodecs } from "./eval_codecs.ts";
import {
  methodProfiles,
  type MethodsRequest,
  readMethods,
  runMethodRetrieval,
  runMethods,
} from "./eval_methods.ts";
import {
  readRetrieval,
  type RetrievalRequest,
  retrievalTasks,
  runRetrieval,
} from "./eval_retrieval.ts";
import { type Flags, parseFlags } from "./flags.ts";
import { MATH_FLAG, readMath } from "./math_flag.ts";
import { loadMeasured, type MeasuredSetup } from "./measured_model.ts";
import { UsageError, usageErrorOf } from "./usage_error.ts";
import { readWindows } from "./window_flag.ts";

const TOKEN_COUNT_DEFAULT = 2048;
const FROM_DEFAULT = 512;
const COUNT_RANGE = { min: 1, max: 2 ** 20, isInteger: true };

/** The command. */
export const evalCommand: Command = {
  name: "eval",
  summary: "measure what codec profiles do to the model on texts",
  usage: "--text FILES [flags]",
  flags: {
    text: { value: "FILES", help: "texts to read, UTF-8, separated by commas" },
    tokens: { value: "N", help: `tokens of each to use (default: ${TOKEN_COUNT_DEFAULT})` },
    contexts: { value: "N,N", help: "report at several lengths in one run, instead of --tokens" },
    from: { value: "N", help: `first position compared (default: ${FROM_DEFAULT})` },
    every: { value: "N", help: "compare one of so many blocks of 64 positions (default: 1)" },
    profiles: { value: "LIST", help: "several profiles and baselines, separated by commas" },
    methods: { value: "LIST", help: "what stays of prompts, which layers share, with commas" },
    follow: { value: "N", help: "tokens compared behind each prompt of --methods (default: 128)" },
    retrieval: { help: "ask for codes hidden in the text instead; --tokens of it (default: 8128)" },
    cases: { value: "N", help: "codes, and as many table entries, in a document (default: 16)" },
    documents: { value: "N", help: "documents to ask about, or prompts of --methods (default: 4)" },
    form: {
      value: "FORM",
      choices: ["chat", "completion"],
      help: "whether the document is a message (default: if the model has a chat template)",
    },
    copying: { help: "have pieces of text copied over --tokens of it instead (default: 1024)" },
    pieces: { value: "N", help: "pieces of each of the five kinds to copy (default: 4)" },
    read: { value: "LIST", help: "what decoding reads: methods, compared with reading everything" },
    "kept-attention": {
      value: "N,tau=T",
      help:
        "how much attention choices of N tokens keep, published ones among them; how many T needs",
    },
    continuations: { help: "have pieces of --tokens of the text continued instead (default: 512)" },
    prompts: { value: "N", help: "pieces to continue (default: 64)" },
    length: { value: "N", help: "tokens of a continuation (default: 512)" },
    seed: { value: "N", help: "of codes, pieces or sampled tokens (default: 1)" },
    window: {
      value: "N,N",
      help:
        `newest tokens that stay raw; each codec is run with each (default: ${WINDOW_TOKEN_COUNT})`,
    },
    math: MATH_FLAG,
    ...ADAPTER_FLAGS,
    state: { value: "FOLDER", help: "keep what is done there, and go on from it after a cut" },
    json: { help: "print JSON: an object, or an array of several" },
    ...CODEC_FLAGS,
  },
  examples: [
    "packkv eval --text book.txt --profile paper",
    "packkv eval --text book.txt --tokens 4096 --k-rel 0.05 --v-rel 0.1 --json",
    "packkv eval --text a.txt,b.txt --profiles paper,paper:repack=greedy,q4_0,kivi2+sinks",
    "packkv eval --text book.txt --contexts 2048,4096,8192 --profiles paper,baselines --state st",
    "packkv eval --text book.txt --profiles balanced,q4_0 --window 0,128,1024",
    "packkv eval --retrieval --text book.txt --profiles exact,paper,q4_0",
    "packkv eval --read quest:blocks=8,clusterkv:tokens=512,oracle:blocks=8 --text book.txt",
    "packkv eval --text book.txt --profiles exact,balanced --methods all,chunkkv:ratio=0.2",
    "packkv eval --continuations --text book.txt --profiles balanced --prompts 16 --length 128",
    "packkv eval --copying --text book.txt --profiles balanced,q4_0",
  ],
  notes: [
    "Every token is read from the cache in the state it would have in decode; the report is the",
    "divergence of the next-token distribution from that of the exact cache. In --profiles,",
    "settings follow a profile's name as in paper:k-rel=0.05:v-rel=0.1; baselines are llama.cpp's",
    "q8_0, q5_0, q5_0-q4_0 and q4_0 as it runs them (K and V rotated), q8_0-unrotated and",
    "q4_0-unrotated, kivi4, kivi2, kvcomp, xquant2, xquant1, xquant2-fitted, xquant4-fitted,",
    "turbo4, turbo3, kvarn-k4v2, kvarn3, kvarn2, oscar (reads the calibration text twice before),",
    "int4 and int3, each also with +sinks (first 4 tokens raw),",
    "deltakv-global with settings as in deltakv-global:stride=10:neighbours=4, bits=4 for the",
    "published layout, and balanced-xquant and tight-xquant, whose odd layers read codes of the",
    "layer before; `baselines` is all.",
    "A large vocabulary takes most of the time: --every 4 compares a quarter of the positions.",
    "--retrieval hides lines with codes, and tables of entries, in a document made of the text,",
    "and scores whether the model goes on with the right digits after it.",
    "--read decodes the last 256 of --tokens, a multiple of 64, by each method over the same",
    "blocks; with --retrieval it asks for the codes. oracle:blocks=8 reads those that get most",
    "attention, hcattention:tau=0.98 the fewest whose attention exceeds that share, and says what",
    "values in host memory would come to. Settings follow a method as in quest:blocks=8:dense=0.",
    "--methods reads prompts of --tokens, lets each method drop what it does, and compares the",
    "next tokens of the text behind them: all, what --keep and --share take with ':' between",
    "settings, and several with '+', as in kvsharer:8+chunkkv:ratio=0.5:chunk=20+think. With",
    "--retrieval each question is the end of a prompt.",
    "--copying has tables, JSON, names, code and tool calls repeated from before the text, and",
    "scores what is right, with differences to the exact cache in intervals of 95%.",
    "--continuations lets profiles write on, greedy and with a seed, and compares that with what",
    "the exact cache writes: where they part, how likely it is under exact, how much it repeats.",
  ],
  needsGpu: true,
  run,
};

/** A run that is asked for; `texts` are read. */
interface Request {
  codecs: readonly CodecRequest[];
  /** Of each codec: newest tokens that stay raw. */
  windows: readonly number[];
  texts: readonly TextFile[];
  stateFolder: string | null;
  retrieval: RetrievalRequest | null;
  copying: CopyingRequest | null;
  /** What decoding is to read; null for the other comparisons. */
  methods: ReturnType<typeof readReadMethods>;
  budgets: ReturnType<typeof readBudgets>;
  /** What stays of prompts, and which layers share; null for the other comparisons. */
  compared: MethodsRequest | null;
  contexts: readonly number[];
  from: number;
  every: number;
}

async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, evalCommand.flags);
  flags.refusePositionals();
  const compared = readMethods(flags);
  const continuations = readContinuations(flags);
  const copying = continuations === null ? readCopying(flags) : null;
  const isOther = continuations !== null || copying !== null;
  const retrieval = isOther ? null : readRetrieval(flags);
  const contexts = readContexts(flags);
  const request: Request = {
    codecs: readCodecRequests(flags),
    windows: readWindows(flags) ?? [WINDOW_TOKEN_COUNT],
    texts: await readTexts(flags),
    stateFolder: flags.text("state"),
    retrieval,
    copying,
    methods: readReadMethods(flags),
    budgets: readBudgets(flags),
    compared,
    contexts,
    from: flags.number("from", { ...COUNT_RANGE, min: 0 }) ??
      Math.min(FROM_DEFAULT, contexts[0] - 1),
    every: flags.number("every", COUNT_RANGE) ?? 1,
  };
  const setup = { math: readMath(flags), adapter: readAdapter(flags) };
  const modelPath = await ensureModel(flags.text("model"));
  const progress = new ProgressLine();
  if (continuations !== null) {
    const reports = await writeOn(modelPath, { ...request, continuations, setup }, progress);
    progress.finish();
    console.log(flags.has("json") ? JSON.stringify(reports) : formatContinuations(reports));
    return 0;
  }
  const model = await loadMeasured(modelPath, setup, progress);
  try {
    const { reports, table } = await measure(model, request, progress).catch(usageErrorOf);
    await model.gpu.throwIfFailedByNow();
    progress.finish();
    const json = () => JSON.stringify(reports.length === 1 ? reports[0] : reports);
    console.log(flags.has("json") ? json() : table);
    return 0;
  } finally {
    progress.finish();
    model.gpu.close();
  }
}

/** Continuations run in engines of their own, one for each profile. */
async function writeOn(
  modelPath: string,
  { continuations, texts, codecs, windows, stateFolder, setup }: Request & {
    continuations: ContinuationRequest;
    setup: MeasuredSetup;
  },
  progress: ProgressLine,
) {
  const [windowTokenCount, ...more] = windows;
  if (more.length > 0) throw new UsageError("Cannot use several windows with --continuations");
  const [text] = texts;
  await ensureDawn(setup.adapter.webgpu, progress);
  const run = { modelPath, setup, continuations, text, codecs, windowTokenCount, stateFolder };
  return await runContinuations(run, progress.update);
}

/** The reports, and the same for people. */
async function measure(
  model: LoadedModel,
  request: Request,
  progress: ProgressLine,
): Promise<{ reports: readonly unknown[]; table: string }> {
  const { stateFolder, retrieval, copying, contexts, from, every } = request;
  const { compared } = request;
  if (compared !== null) {
    return await measureMethods(model, { ...request, compared }, progress.update);
  }
  const codecs = resolveCodecs(request.codecs, model.shape, request.windows);
  const options = {
    onProgress: progress.update,
    ...(stateFolder === null ? {} : { stateFolder }),
  };
  const [tokenCount] = contexts;
  if (request.budgets !== null) {
    const texts = tokenizeTexts(model, request.texts);
    const asked = { request: request.budgets, texts, tokenCount };
    return await runKeptAttention(model, asked, progress.update);
  }
  if (request.methods !== null) {
    const { methods, texts } = request;
    const tasks = retrieval && retrievalTasks(model, retrieval, texts[0].text);
    const ids = tokenizeTexts(model, texts);
    return await runReading(
      model,
      { methods, codecs, texts: ids, tokenCount, tasks },
      progress.update,
    );
  }
  if (retrieval !== null) {
    const [text] = request.texts;
    const reports = await runRetrieval(model, { retrieval, text, codecs, options });
    return { reports, table: formatRetrieval(reports) };
  }
  if (copying !== null) {
    const [text] = request.texts;
    const reports = await runCopying(model, { copying, text, codecs, options });
    return { reports, table: formatCopying(reports) };
  }
  const plan = { texts: tokenizeTexts(model, request.texts), codecs, contexts, from, every };
  const reports = await evaluate(model, plan, options);
  return { reports, table: formatReports(reports) };
}

async function measureMethods(
  model: LoadedModel,
  { compared, codecs, texts, retrieval, contexts: [tokenCount] }: Request & {
    compared: MethodsRequest;
  },
  onProgress: OnProgress,
): Promise<{ reports: readonly unknown[]; table: string }> {
  const profiles = methodProfiles(codecs);
  const [file] = texts;
  if (retrieval !== null) {
    const run = { request: compared, text: file, retrieval, profiles };
    return await runMethodRetrieval(model, run, onProgress);
  }
  const [text] = tokenizeTexts(model, [file]);
  return await runMethods(model, { request: compared, text, tokenCount, profiles }, onProgress);
}

function readContexts(flags: Flags): number[] {
  const list = flags.text("contexts");
  if (list === null) return [flags.number("tokens", COUNT_RANGE) ?? TOKEN_COUNT_DEFAULT];
  if (flags.has("tokens")) throw new UsageError("Cannot use --tokens with --contexts");
  return list.split(",").map((item) => {
    const count = Number(item);
    if (item !== "" && Number.isInteger(count) && count >= 1) return count;
    throw new UsageError(`Cannot use --contexts ${list}: must be whole numbers, ascending`);
  });
}

/** A text of `--text`. */
export interface TextFile {
  name: string;
  text: string;
}

async function readTexts(flags: Flags): Promise<TextFile[]> {
  const paths = flags.text("text");
  if (paths === null) throw new UsageError("Cannot evaluate: --text FILE is missing");
  return await Promise.all(
    paths.split(",").map(async (path) => {
      const text = await Deno.readTextFile(path).catch((error) => {
        throw new UsageError(
          `Cannot read --text ${path}: ${error instanceof Error ? error.message : error}`,
        );
      });
      return { name: basename(path), text };
    }),
  );
}

function tokenizeTexts(model: LoadedModel, texts: readonly TextFile[]): EvalText[] {
  const tokenizer = createTokenizer(model.file.metadata, model.file.tensors);
  return texts.map(({ name, text }) => {
    const ids = withBos(tokenizer, tokenizer.tokenize(text, { parseSpecial: false }));
    return { name, ids, quote: (some) => tokenizer.detokenize(some) };
  });
}
