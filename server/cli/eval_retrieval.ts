/**
 * `packkv eval --retrieval`.
 *
 * @module
 */

import type { EvalCodec } from "../../src/evaluation/codecs.ts";
import { makeRetrievalTask, type RetrievalTask } from "../../src/evaluation/retrieval/cases.ts";
import {
  evaluateRetrieval,
  type RetrievalReport,
  type RetrievalRunOptions,
} from "../../src/evaluation/retrieval/retrieval.ts";
import type { LoadedModel } from "../../src/runtime/load_model.ts";
import { createChatTemplate } from "../../src/tokenizer/chat_template.ts";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import type { Flags } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

/** A block less than 8K: the questions need room in a context of 8,192. */
const TOKEN_COUNT_DEFAULT = 8128;
const CASE_COUNT_DEFAULT = 16;
const DOCUMENT_COUNT_DEFAULT = 4;
const SEED_DEFAULT = 1;

/** What is asked of the retrieval test. */
export interface RetrievalRequest {
  tokenCount: number;
  /** Facts of each kind in a document. */
  caseCount: number;
  documentCount: number;
  /** Of the first document. */
  seed: number;
  /** Null: chat if the model has a template. */
  form: "chat" | "completion" | null;
}

/**
 * Reads the flags of the retrieval test; null if it is not asked for.
 *
 * @throws {UsageError} If a flag of it is given without it, or one of the comparison with it.
 */
export function readRetrieval(flags: Flags): RetrievalRequest | null {
  const isAsked = flags.has("retrieval");
  for (
    const name of isAsked ? ["contexts", "from", "every"] : ["cases", "documents", "seed", "form"]
  ) {
    if (!flags.has(name) || name === "documents" && flags.has("methods")) continue;
    throw new UsageError(`Cannot use --${name} ${isAsked ? "with" : "without"} --retrieval`);
  }
  if (!isAsked) return null;
  if (flags.text("text")?.includes(",")) {
    throw new UsageError("Cannot use several texts with --retrieval");
  }
  const count = { min: 1, max: 2 ** 20, isInteger: true };
  return {
    tokenCount: flags.number("tokens", count) ?? TOKEN_COUNT_DEFAULT,
    caseCount: flags.number("cases", count) ?? CASE_COUNT_DEFAULT,
    documentCount: flags.number("documents", count) ?? DOCUMENT_COUNT_DEFAULT,
    seed: flags.number("seed", { ...count, min: 0, max: 2 ** 32 - 1 }) ?? SEED_DEFAULT,
    form: flags.text("form") as RetrievalRequest["form"],
  };
}

/** Makes the documents of a text. */
export function retrievalTasks(
  model: LoadedModel,
  retrieval: RetrievalRequest,
  text: string,
): RetrievalTask[] {
  const { metadata, tensors } = model.file;
  const tokenizer = createTokenizer(metadata, tensors);
  const hasTemplate = metadata.getString("tokenizer.chat_template", null) !== null;
  if (retrieval.form === "chat" && !hasTemplate) {
    throw new UsageError("Cannot use --form chat: the model has no chat template");
  }
  const isChat = hasTemplate && retrieval.form !== "completion";
  const chatTemplate = isChat ? createChatTemplate(metadata, tokenizer) : null;
  return Array.from({ length: retrieval.documentCount }, (_, index) => {
    const seed = retrieval.seed + index;
    return makeRetrievalTask(text, { ...retrieval, seed, tokenizer, chatTemplate });
  });
}

/** Makes the documents of `text` and asks about them with every codec. */
export async function runRetrieval(
  model: LoadedModel,
  run: {
    retrieval: RetrievalRequest;
    text: { name: string; text: string };
    codecs: readonly EvalCodec[];
    options: RetrievalRunOptions;
  },
): Promise<RetrievalReport[]> {
  const { retrieval, text, codecs, options } = run;
  const tasks = retrievalTasks(model, retrieval, text.text);
  return await evaluateRetrieval(
    model,
    { textName: text.name, seed: retrieval.seed, tasks, codecs },
    options,
  );
}
