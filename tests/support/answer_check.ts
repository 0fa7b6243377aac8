/** Holds answers against the schemas of the server's own `/openapi.json`. */

import { assert } from "@std/assert";
import Ajv2020, { type ValidateFunction } from "ajv/dist/2020.js";

interface Content {
  schema?: object;
  "x-chunk-schema"?: object;
}

type Operation = { responses: Record<string, { content?: Record<string, Content> }> };

/** What gives an answer: `app.request`, or `fetch`. */
export type Ask = (path: string, init?: RequestInit) => Response | Promise<Response>;

/** Checks answers of one server. */
export class AnswerCheck {
  readonly #ask: Ask;
  readonly #ajv = new Ajv2020.default({ strict: false });
  readonly #compiled = new Map<object, ValidateFunction>();
  #document: Promise<{ paths: Record<string, Record<string, Operation>> }> | null = null;
  /** Answers found to be as documented. */
  checkedCount = 0;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async #read() {
    const response = await this.#ask("/openapi.json");
    const document = await response.json();
    this.#ajv.addSchema(document, "openapi.json");
    return document;
  }

  /** The documented operation of a request; null for what is no part of the API. */
  async #operation(method: string, path: string): Promise<Operation | null> {
    const { paths } = await (this.#document ??= this.#read());
    const full = path.startsWith("/v1/") ? path : `/v1${path}`;
    const template = Object.keys(paths).find((each) => {
      return new RegExp(`^${each.replace(/\{\w+\}/g, ".+")}$`).test(full);
    });
    return (template && paths[template][method.toLowerCase()]) ?? null;
  }

  #validate(schema: object, value: unknown, what: string): void {
    // A reference within the document is one to the schema that was added.
    const text = JSON.stringify(schema).replaceAll('"#/', '"openapi.json#/');
    const validate = this.#compiled.get(schema) ?? this.#ajv.compile(JSON.parse(text));
    this.#compiled.set(schema, validate);
    const errors = validate(value) ? "" : this.#ajv.errorsText(validate.errors);
    assert(errors === "", `${what} is not as documented: ${errors}: ${JSON.stringify(value)}`);
  }

  #checkText(content: Content, type: string, text: string, what: string): void {
    this.checkedCount++;
    if (type === "application/json") return this.#validate(content.schema!, JSON.parse(text), what);
    if (type !== "text/event-stream") return;
    for (const frame of text.split("\n\n")) {
      const data = /^(?:event: .*\n)?data: (\{.*)$/.exec(frame)?.[1];
      if (data === undefined) continue;
      const value = JSON.parse(data);
      const error = { $ref: "#/components/schemas/Error" };
      const isBare = value.error && value.type === undefined;
      this.#validate(isBare ? error : content["x-chunk-schema"]!, value, what);
    }
  }

  /** The same answer; reading it to its end fails if it is not as documented. */
  async watch(method: string, path: string, response: Response): Promise<Response> {
    const operation = await this.#operation(method, path);
    if (operation === null || response.body === null) return response;
    const what = `${method} ${path} ${response.status}`;
    const documented = operation.responses[String(response.status)];
    const type = response.headers.get("content-type")?.split(";")[0] ?? "";
    // 499 has no reader.
    if (response.status === 499) return response;
    const content = documented?.content?.[type];
    assert(content, `${what} with ${type} is documented`);
    const decoder = new TextDecoder();
    let text = "";
    const check = new TransformStream<Uint8Array, Uint8Array>({
      transform: (bytes, controller) => {
        text += decoder.decode(bytes, { stream: true });
        controller.enqueue(bytes);
      },
      flush: () => this.#checkText(content, type, text, what),
    });
    const { status, headers } = response;
    return new Response(response.body.pipeThrough(check), { status, headers });
  }

  /** `fetch` whose answers are watched. */
  readonly fetch: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const response = await fetch(input, init);
    return await this.watch(init?.method ?? "GET", url.pathname, response);
  };
}
