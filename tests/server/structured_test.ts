/** Structured output on the real model at temperature 1: every answer must be valid. */

import { assert, assertEquals } from "@std/assert";
import Ajv2020 from "ajv/dist/2020.js";
import { createApp } from "../../server/app.ts";
import { loadServedModel } from "../../server/cli/load_model.ts";
import { ServerState } from "../../server/state.ts";
import { defaultModelPath } from "../support/default_model.ts";
import { poster } from "./harness.ts";

const RUNS_PER_SCHEMA = 5;
/** Answers at a time. */
const SEQUENCE_COUNT = 8;
/** Short, and without the model's own system prompt: a token read costs what one drawn does. */
const MESSAGES = [{ role: "system", content: "" }, { role: "user", content: "Data." }];
const short = { type: "string", maxLength: 12 };
const strict = (properties: Record<string, unknown>) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

/** Schemas of all the keywords that are followed; each ends by itself. */
const SCHEMAS: Record<string, unknown>[] = [
  strict({ name: short, age: { type: "integer", minimum: 0, maximum: 120 } }),
  strict({ colour: { enum: ["red", "green", "blue"] } }),
  strict({ yes: { type: "boolean" }, nothing: { type: "null" } }),
  strict({ list: { type: "array", items: { type: "boolean" }, minItems: 1, maxItems: 3 } }),
  strict({ pair: { type: "array", prefixItems: [short, { type: "boolean" }], items: false } }),
  strict({ value: { anyOf: [{ type: "boolean" }, { const: "unknown" }] } }),
  strict({ value: { oneOf: [{ enum: [1, 2] }, { type: "null" }] } }),
  strict({ value: { allOf: [{ enum: ["a", "b"] }] } }),
  strict({ code: { type: "string", pattern: "^[A-Z]{2}-\\d{3}$" } }),
  strict({ word: { type: "string", pattern: "^(?:ab|cd){1,3}x$" } }),
  strict({ day: { type: "string", format: "date" } }),
  strict({ id: { type: "string", format: "uuid" } }),
  strict({ inner: strict({ deep: strict({ flag: { type: "boolean" } }) }) }),
  {
    ...strict({ a: { $ref: "#/$defs/item" }, b: { $ref: "#/$defs/item" } }),
    $defs: { item: strict({ n: { enum: [1, 2, 3] } }) },
  },
  {
    type: "object",
    properties: { a: { type: "boolean" }, b: { type: "boolean" } },
    required: ["b"],
  },
  { type: "array", items: strict({ k: { enum: ["x", "y"] } }), minItems: 1, maxItems: 2 },
  { enum: ["only", "these", 7, null] },
  { type: ["boolean", "null"] },
  { type: "string", minLength: 3, maxLength: 9 },
  { type: "integer", exclusiveMinimum: 10, exclusiveMaximum: 15.5 },
];

async function open() {
  const model = await loadServedModel(defaultModelPath(), {
    contextLength: 512,
    sequenceCountMax: SEQUENCE_COUNT,
  });
  const state = new ServerState();
  state.setReady(model);
  return { model, post: poster(createApp({ state, modelId: "m" })) };
}

Deno.test("answers at temperature 1 are valid in 100 of 100 runs over 20 schemas, tool calls too", async () => {
  const { model, post } = await open();
  // Formats are checked by the patterns the grammar has for them.
  const ajv = new Ajv2020.default({ strict: false, validateFormats: false });
  const ask = async (fields: object) => {
    const asked = { messages: MESSAGES, temperature: 1, max_tokens: 200, ...fields };
    const response = await post("/v1/chat/completions", asked);
    const body = await response.json();
    assertEquals(response.status, 200, JSON.stringify(body));
    return body.choices[0];
  };
  let validCount = 0;
  let callCount = 0;
  const run = async (schema: Record<string, unknown>, seed: number) => {
    const json_schema = { name: "data", schema, strict: true };
    const choice = await ask({ response_format: { type: "json_schema", json_schema }, seed });
    const shown = `${JSON.stringify(schema)}: ${choice.message.content}`;
    assertEquals(choice.finish_reason, "stop", shown);
    const isValid = ajv.compile(schema)(JSON.parse(choice.message.content));
    assert(isValid, shown);
    validCount++;
  };
  const call = async (parameters: Record<string, unknown>, seed: number) => {
    // Strict, since members without end may come to objects that are open.
    const tools = [{ type: "function", function: { name: "store", parameters, strict: true } }];
    const { message, finish_reason } = await ask({
      tools,
      tool_choice: { type: "function", function: { name: "store" } },
      seed,
    });
    assertEquals([finish_reason, message.content, message.tool_calls.length], [
      "tool_calls",
      null,
      1,
    ]);
    const [{ function: { name, arguments: text } }] = message.tool_calls;
    assert(name === "store" && ajv.compile(parameters)(JSON.parse(text)), text);
    callCount++;
  };
  const jobs = SCHEMAS.flatMap((schema, index) => [
    ...Array.from({ length: RUNS_PER_SCHEMA }, (_, i) => () => run(schema, index * 100 + i)),
    ...(schema.type === "object" ? [() => call(schema, index)] : []),
  ]);
  const next = async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) await job();
  };
  await Promise.all(Array.from({ length: SEQUENCE_COUNT }, next));
  assertEquals([validCount, callCount], [100, 15]);
  await model.engine.close();
});
