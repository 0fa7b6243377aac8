/**
 * `/openapi.json`, made of the schemas that requests are checked with and answers are held against,
 * and `/docs`, which shows it.
 *
 * @module
 */

import type { Context } from "hono";
import { z } from "zod";
import config from "../../deno.json" with { type: "json" };
import { errorAnswer } from "./schema_answers.ts";

/** The entry of a route in the reference. */
export interface RouteDoc {
  summary: string;
  /** Schema of the body; none for a GET. */
  request?: z.ZodType;
  /** Schema of the answer with status 200; a string is a content type without one. */
  answer: z.ZodType | string;
  /** Schema of a chunk, if the answer may be a stream. */
  chunk?: z.ZodType;
  /** Schema of its errors; OpenAI's if left out. */
  error?: z.ZodType;
  /** Statuses of errors, beside those that every route may give. */
  errors?: readonly number[];
  /** Parameters of the path, by name. */
  params?: Readonly<Record<string, string>>;
}

/** A route with its entry in the reference. */
export interface DocumentedRoute {
  method: "GET" | "POST" | "DELETE";
  path: string;
  doc: RouteDoc;
}

const ERROR_MEANINGS: Readonly<Record<number, string>> = {
  400: "the request is wrong; `param` names the field",
  401: "no key, or one that is not known",
  403: "a page or a host name that a server without keys does not know",
  404: "not found",
  405: "another method is served at this path",
  413: "the body is too large",
  415: "the body is compressed",
  429: "too many requests wait; `Retry-After` says when to come back",
  500: "a defect of the server",
  503: "loading, shutting down, or the GPU is lost",
  504: "the request took longer than the server lets it",
  507: "the server's disk is full",
};

const toSchema = (schema: z.ZodType, io: "input" | "output") =>
  z.toJSONSchema(schema, { io, target: "draft-2020-12", unrepresentable: "any" });

function without$schema({ $schema: _, ...rest }: Record<string, unknown>): object {
  return rest;
}

function jsonContent(schema: z.ZodType, io: "input" | "output"): object {
  return { "application/json": { schema: without$schema(toSchema(schema, io)) } };
}

function answersOf({ answer, chunk, error, errors = [], request }: RouteDoc): object {
  const failure = error
    ? without$schema(toSchema(error, "output"))
    : { $ref: "#/components/schemas/Error" };
  const content = typeof answer === "string"
    ? { [answer]: { schema: { type: "string" } } }
    : jsonContent(answer, "output");
  const streamed = chunk && {
    "text/event-stream": {
      // No schema: 3.1 has no word for a sequence of frames, and tools read one differently.
      "x-chunk-schema": without$schema(toSchema(chunk, "output")),
    },
  };
  const statuses = [
    ...new Set([401, 403, 405, 500, 503, ...(request ? [400, 413, 415] : []), ...errors]),
  ];
  return Object.fromEntries([
    ["200", { description: "answered", content: { ...content, ...streamed } }],
    ...statuses.sort().map((status) => [String(status), {
      description: ERROR_MEANINGS[status],
      content: { "application/json": { schema: failure } },
    }]),
  ]);
}

function operationOf({ method, path, doc }: DocumentedRoute): object {
  const { summary, request, params = {} } = doc;
  const parameters = Object.entries(params).map(([name, description]) => {
    return { name, in: "path", required: true, description, schema: { type: "string" } };
  });
  return {
    [method.toLowerCase()]: {
      operationId: `${method.toLowerCase()}${
        path.replaceAll(/[^a-z]+(.)?/gi, (_, next) => {
          return (next ?? "").toUpperCase();
        })
      }`,
      summary,
      ...(parameters.length > 0 ? { parameters } : {}),
      ...(request
        ? { requestBody: { required: true, content: jsonContent(request, "input") } }
        : {}),
      responses: answersOf(doc),
    },
  };
}

/** The document, as OpenAPI 3.1. */
export function openApiDocument(routes: readonly DocumentedRoute[]): object {
  const paths: Record<string, object> = {};
  for (const route of routes) {
    const path = `/v1${route.path.replace(/:(\w+)(\{.*\})?/g, "{$1}")}`;
    paths[path] = { ...paths[path], ...operationOf(route) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "PackKV Serve",
      version: config.version,
      description: "OpenAI's API over a KV cache that is compressed on the GPU. Every path is " +
        "also there without `/v1`. Unknown fields are ignored; null is the same as absent.",
      license: { name: config.license, identifier: config.license },
    },
    servers: [{ url: "/" }],
    security: [{}, { key: [] }],
    paths,
    components: {
      securitySchemes: { key: { type: "http", scheme: "bearer" } },
      schemas: { Error: without$schema(toSchema(errorAnswer, "output")) },
    },
  };
}

/** Makes the handler of `/openapi.json`. */
export function openApiRoute(routes: readonly DocumentedRoute[]): (context: Context) => Response {
  const text = JSON.stringify(openApiDocument(routes));
  return (context) => context.body(text, 200, { "Content-Type": "application/json" });
}
