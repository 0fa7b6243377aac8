/** Holds answers against the schemas of the server's own `/openapi.json`. */

import { assert } from "@std/assert";
import Ajv2020, { type ValidateFunction } from "ajv/dist/2020.js";

interface Content {
  schema?: object;
  "x-chunk-schema"?: object;
}

type Operation = { responses: Record<string, { content?: Record<string, Content> }> };

const ERROR = { $ref: "#/components/schemas/Error" };

/** Checks by the schemas of a document. */
class Document {
  readonly #paths: Record<string, Record<string, Operation>>;
  readonly #ajv = new Ajv2020.default({ strict: false });
  readonly #compiled = new Map<object, ValidateFunction>();

  constructor(text: string) {
    const document = JSON.parse(text);
    this.#ajv.addSchema(document, "openapi.json");
    this.#paths = document.paths;
  }

  /** The documented operation of a request; null for what is no part of the API. */
  operation(method: string, path: string): Operation | null {
    const full = path.startsWith("/v1/") ? path : `/v1${path}`;
    const template = Object.keys(this.#paths).find((each) => {
      return new RegExp(`^${each.replace(/\{\w+\}/g, ".+")}$`).test(full);
    });
    return template ? this.#paths[template][method.toLowerCase()] ?? null : null;
  }

  validate(schema: object, value: unknown, what: string): void {
    const validate = this.#compiled.get(schema) ?? this.#compile(schema);
    this.#compiled.set(schema, validate);
    const errors = validate(value) ? "" : this.#ajv.errorsText(validate.errors);
    assert(errors === "", `${what} is not as documented: ${errors}: ${JSON.stringify(value)}`);
  }

  #compile(schema: object): ValidateFunction {
    // A reference within the document is one to the schema that was added.
    return this.#ajv.compile(
      JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi.json#/')),
    );
  }
}

/** By their texts: most servers of a run have the same, whose schemas take long to compile. */
const DOCUMENTS = new Map<string, Document>();

function documentOf(text: string): Document {
  const document = DOCUMENTS.get(text) ?? new Document(text);
  DOCUMENTS.set(text, document);
  return document;
}

/** What gives an answer: `app.request`, or `fetch`. */
export type Ask = (path: string, init?: RequestInit) => Response | Promise<Response>;

/** Checks answers of one server. */
export class AnswerCheck {
  readonly #ask: Ask;
  #document: Promise<Document> | null = null;
  /** Answers found to be as documented. */
  checkedCount = 0;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async #read(): Promise<Document> {
    const response = await this.#ask("/openapi.json");
    return documentOf(await response.text());
  }

  /** Checks the text of an answer by `validate`, which is given the schema of each value. */
  #checkText(
    content: Content,
    { type, text }: { type: string; text: string },
    validate: (schema: object, value: unknown) => void,
  ): void {
    this.checkedCount++;
    if (type === "application/json") return validate(content.schema!, JSON.parse(text));
    if (type !== "text/event-stream") return;
    for (const frame of text.split("\n\n")) {
      const data = /^(?:event: .*\n)?data: (\{.*)$/.exec(frame)?.[1];
      if (data === undefined) continue;
      const value = JSON.parse(data);
      const isBare = value.error && value.type === undefined;
      validate(isBare ? ERROR : content["x-chunk-schema"]!, value);
    }
  }

  /** The same answer; reading it to its end fails if it is not as documented. */
  async watch(method: string, path: string, response: Response): Promise<Response> {
    const document = await (this.#document ??= this.#read());
    const operation = document.operation(method, path);
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
      flush: () => {
        this.#checkText(content, { type, text }, (schema, value) => {
          document.validate(schema, value, what);
        });
      },
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
