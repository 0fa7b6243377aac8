/**
 * POST /v1/embeddings: a vector for each text, pooled from what the model gives for its tokens.
 *
 * @module
 */

import { z } from "zod";
import { invariant } from "../../src/core/errors.ts";
import type { Pooling } from "../../src/engine/types.ts";
import { withBos } from "../../src/tokenizer/with_bos.ts";
import type { NamedModel } from "../models/models.ts";
import { withModel } from "../models/with_model.ts";
import { embed } from "../openai/embed.ts";
import { ApiError } from "../openai/errors.ts";
import type { GenerationObserver } from "../openai/generation/observer.ts";
import { mergeConcurrent } from "../openai/merge.ts";
import { parseBody, readJson } from "../openai/parse_body.ts";
import { openScope } from "../openai/request_scope.ts";
import { fittingIds, roomFor, type RouteContext } from "../openai/route_context.ts";
import { count } from "../openai/schema_answers.ts";
import { commonFields } from "../openai/schema_common.ts";
import { checkIds } from "../openai/specs.ts";
import { checkTextLength } from "../openai/text_limit.ts";
import { notSupported, refuseUnsupported } from "../openai/unsupported.ts";
import { watchOf } from "../request_watch.ts";
import { type ApiRoute, GENERATION_ERRORS } from "./route.ts";

/** OpenAI's most texts of one request. */
const INPUT_COUNT_MAX = 2048;
/** Of a model whose file does not say how its vectors are pooled. */
const POOLING_DEFAULT: Pooling = "mean";

const idsSchema = z.array(z.number().int().min(0)).min(1);
const textSchema = z.string().min(1);

/** Texts, or their token ids. */
const embeddingsSchema = z.object({
  model: commonFields.model,
  input: z.union([
    textSchema,
    z.array(textSchema).min(1).max(INPUT_COUNT_MAX),
    idsSchema,
    z.array(idsSchema).min(1).max(INPUT_COUNT_MAX),
  ]),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: z.number().int().min(1).nullish(),
  pooling: z.enum(["mean", "last"]).nullish(),
  add_special_tokens: z.boolean().nullish(),
  user: z.string().nullish(),
});

/** A vector of length 1 for each text, in its order. */
const embeddingsAnswer = z.object({
  object: z.literal("list"),
  data: z.array(z.object({
    object: z.literal("embedding"),
    index: count,
    embedding: z.union([z.array(z.number()), z.string()]),
  })),
  model: z.string(),
  usage: z.object({ prompt_tokens: count, total_tokens: count }),
});

type EmbeddingsRequest = z.infer<typeof embeddingsSchema>;

function toInputs(input: EmbeddingsRequest["input"]): (string | readonly number[])[] {
  if (typeof input === "string") return [input];
  return typeof input[0] === "number" ? [input as number[]] : input as string[];
}

/** Ids of one text, with what the model wants around it. */
async function toIds(
  model: NamedModel,
  input: string | readonly number[],
  { request, param }: { request: EmbeddingsRequest; param: string },
): Promise<readonly number[]> {
  const { tokenizer, prompts, engine: { info: { contextLength } } } = model;
  if (typeof input !== "string") checkIds(tokenizer, input, param);
  else checkTextLength(model, input.length, param);
  const limit = { contextLength, param };
  const options = { parseSpecial: true, tokenCountMax: contextLength };
  const read = async () => {
    if (typeof input !== "string") return input;
    const ids = await prompts.tokenize(input, options);
    if (request.add_special_tokens === false) return ids;
    const { addedEosId: end } = tokenizer;
    return [...withBos(tokenizer, ids), ...(end === null || ids.at(-1) === end ? [] : [end])];
  };
  const ids = await fittingIds(read(), limit);
  roomFor(ids.length, 0, limit);
  if (ids.length > 0) return ids;
  throw new ApiError(400, `Cannot accept ${param}: it has no tokens`, {
    param,
    code: "invalid_value",
  });
}

/** @throws {ApiError} 400 for other sizes than the model's: none is known to keep its meaning. */
function checkDimensions(
  { dimensions }: EmbeddingsRequest,
  { engine: { info } }: NamedModel,
): void {
  if (!dimensions || dimensions === info.embeddingWidth) return;
  throw notSupported("dimensions", `the model's vectors have ${info.embeddingWidth}`);
}

function encoded(values: Float32Array, format: EmbeddingsRequest["encoding_format"]) {
  if (format !== "base64") return [...values];
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setFloat32(4 * index, value, true));
  return bytes.toBase64();
}

/** Vectors of all texts, as many at a time as the engine runs. */
async function embedAll(
  model: NamedModel,
  prompts: readonly (readonly number[])[],
  { request, ...context }: {
    request: EmbeddingsRequest;
    signal: AbortSignal;
    observer: GenerationObserver;
  },
): Promise<Float32Array[]> {
  const { engine } = model;
  const pooling = request.pooling ?? engine.info.pooling ?? POOLING_DEFAULT;
  const sources = prompts.map((promptIds) => () => {
    return embed(engine, { promptIds, pooling }, context);
  });
  const vectors: Float32Array[] = [];
  const sequences = mergeConcurrent(sources, Math.max(1, engine.info.sequenceCountMax));
  for await (const { sourceIndex, value } of sequences) vectors[sourceIndex] = value;
  invariant(vectors.length === prompts.length, "each text has a vector");
  return vectors;
}

/** Gives vectors of texts. */
export function embeddingsRoute(routes: RouteContext): ApiRoute {
  return {
    method: "POST",
    path: "/embeddings",
    handler: async (context) => {
      const body = await readJson(context.req);
      const request = parseBody(embeddingsSchema, body);
      refuseUnsupported(body, Object.keys(embeddingsSchema.shape));
      return await withModel({ routes, context, name: request.model ?? null }, async (model) => {
        checkDimensions(request, model);
        const inputs = toInputs(request.input);
        const isOne = !Array.isArray(request.input) || typeof request.input[0] === "number";
        const prompts: (readonly number[])[] = [];
        for (const [index, input] of inputs.entries()) {
          const param = isOne ? "input" : `input[${index}]`;
          prompts.push(await toIds(model, input, { request, param }));
        }
        const watch = watchOf(context);
        const clientSignal = context.req.raw.signal;
        const { signal, end } = openScope(routes.state, { clientSignal, watch });
        try {
          const vectors = await embedAll(model, prompts, { request, signal, observer: watch });
          const tokenCount = prompts.reduce((sum, { length }) => sum + length, 0);
          return context.json({
            object: "list",
            data: vectors.map((values, index) => {
              const embedding = encoded(values, request.encoding_format);
              return { object: "embedding", index, embedding };
            }),
            model: model.id,
            usage: { prompt_tokens: tokenCount, total_tokens: tokenCount },
          });
        } finally {
          end();
        }
      });
    },
    doc: {
      summary: "Vectors of texts",
      request: embeddingsSchema,
      answer: embeddingsAnswer,
      errors: GENERATION_ERRORS,
    },
  };
}
