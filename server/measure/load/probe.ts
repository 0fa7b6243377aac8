/**
 * Finding out what a server takes, before it is measured. The requests also warm it up.
 *
 * @module
 */

import { complete, headersOf, messageOf, type Target } from "./client.ts";
import { type Completed, LoadError } from "./outcome.ts";
import { type PromptWriter, writePrompt } from "./prompt.ts";
import { makeRandom } from "./random.ts";

/** How to reach a server. */
export interface ServerAddress {
  /** `http` or `https`; a path is kept, `/v1` at its end is not needed. */
  url: string;
  apiKey: string | null;
  /** Null takes the first that the server lists. */
  model: string | null;
  signal: AbortSignal;
}

/** What a server takes. */
export interface ProbedServer {
  target: Target;
  writer: PromptWriter;
  /** What the server says about its model beside the name, as it is; null if nothing. */
  modelMeta: object | null;
}

const PROBE_TOKEN_COUNT = 32;
const PROBE_OUTPUT_COUNT = 4;
/** Tokens that a server may put before or after a prompt's ids. */
const ADDED_TOKEN_COUNT_MAX = 2;

/**
 * Asks for a few tokens: by token ids if that is understood, else by text; with `ignore_eos` if
 * that is accepted, else without.
 *
 * @throws {TypeError} If the URL is not one of HTTP.
 * @throws {LoadError} If the server does not answer, or not with a stream that has its usage.
 */
export async function probeServer(address: ServerAddress): Promise<ProbedServer> {
  const { apiKey, signal } = address;
  const baseUrl = normaliseUrl(address.url);
  const { model, meta } = await findModel(baseUrl, address);
  const random = makeRandom(PROBE_TOKEN_COUNT);
  const numbers = Array.from({ length: PROBE_TOKEN_COUNT }, random);
  const ids: PromptWriter = { kind: "token-ids", vocabSize: vocabSizeOf(meta) };
  const text: PromptWriter = { kind: "text", tokensPerWord: 1 };
  const problems: string[] = [];
  for (const ignoresEos of [true, false]) {
    const target = { baseUrl, apiKey, model, ignoresEos };
    for (const writer of [ids, text]) {
      const prompt = writePrompt(numbers, writer);
      const call = { prompt, outputTokenCount: PROBE_OUTPUT_COUNT, signal };
      const outcome = await complete(target, call);
      if (outcome.type === "completed") {
        const known = adopt(writer, outcome);
        if (known !== null) return { target, writer: known, modelMeta: meta };
        problems.push(`${outcome.promptTokenCount} tokens counted for ${PROBE_TOKEN_COUNT} ids`);
        continue;
      }
      problems.push(`${outcome.kind}: ${outcome.message}`);
      const isRefusal = /^http_(400|415|422|500|501)$/.test(outcome.kind);
      if (!isRefusal) throw new LoadError(`Cannot measure ${baseUrl}: ${problems.at(-1)}`);
    }
  }
  throw new LoadError(`Cannot measure ${baseUrl}: ${problems[0]}`);
}

/** The writer with what the probe showed; null if ids were not read as ids. */
function adopt(writer: PromptWriter, { promptTokenCount }: Completed): PromptWriter | null {
  if (writer.kind === "text") {
    return { kind: "text", tokensPerWord: Math.max(promptTokenCount, 1) / PROBE_TOKEN_COUNT };
  }
  const addedCount = promptTokenCount - PROBE_TOKEN_COUNT;
  return addedCount >= 0 && addedCount <= ADDED_TOKEN_COUNT_MAX ? writer : null;
}

/**
 * The URL that paths such as `/v1/models` are put after.
 *
 * @throws {TypeError} If it is not a URL of HTTP.
 */
export function normaliseUrl(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw new TypeError(`Cannot use URL ${url}: must be as http://127.0.0.1:8000`);
  }
  return `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, "").replace(/\/v1$/, "");
}

async function findModel(
  baseUrl: string,
  { apiKey, model, signal }: ServerAddress,
): Promise<{ model: string; meta: object | null }> {
  const listed = await listModels(baseUrl, { apiKey, signal });
  if (Array.isArray(listed)) {
    const found = model === null ? listed[0] : listed.find(({ id }) => id === model);
    if (found) return { model: found.id, meta: found.meta ?? null };
  }
  if (model !== null) return { model, meta: null };
  const problem = Array.isArray(listed) ? "it lists no model" : listed;
  throw new LoadError(`Cannot measure ${baseUrl}: ${problem}; name a model`);
}

interface ListedModel {
  id: string;
  meta?: object | null;
}

/** The models, or what is wrong. */
async function listModels(
  baseUrl: string,
  { apiKey, signal }: Pick<ServerAddress, "apiKey" | "signal">,
): Promise<ListedModel[] | string> {
  const init = { headers: headersOf(apiKey), signal, redirect: "manual" } as const;
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${baseUrl}/v1/models`, init);
    text = await response.text();
  } catch (error) {
    const cause = signal.aborted ? signal.reason : error;
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new LoadError(`Cannot reach ${baseUrl}: ${problem}`);
  }
  if (response.status !== 200) {
    return `/v1/models was answered with ${response.status}: ${messageOf(text)}`;
  }
  try {
    const { data } = JSON.parse(text);
    const isModel = (value: unknown) => typeof (value as ListedModel)?.id === "string";
    if (Array.isArray(data)) return data.filter(isModel);
  } catch {
    // Reported below.
  }
  return "/v1/models was not answered with a list";
}

function vocabSizeOf(meta: object | null): number | null {
  const size = (meta as { n_vocab?: unknown } | null)?.n_vocab;
  return typeof size === "number" && Number.isInteger(size) && size >= 4 ? size : null;
}
