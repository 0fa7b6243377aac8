/** Requests that mean harm or are broken, each with its reason and what must become of it. */

const CHAT = "/v1/chat/completions";
const TEXT = "/v1/completions";
const RESPONSES = "/v1/responses";

/** A request whose head is right; its body is sent as it is, or as JSON. */
export interface HostileBody {
  reason: string;
  path: string;
  body: string | object | Uint8Array;
  status: number;
}

/** Bytes on a connection; the server may also just close it where status is null. */
export interface HostileBytes {
  reason: string;
  bytes: string;
  /** Of the first answer. */
  status: number | null;
}

const messages = [{ role: "user", content: "hi" }];
const deep = (depth: number, open: string, close: string) =>
  open.repeat(depth) + close.repeat(depth);
const utf8 = (text: string, ...bad: number[]) =>
  Uint8Array.from([...new TextEncoder().encode(text), ...bad, 0x22, 0x7d]);

/** Values that no field of that type takes, and why they are sent. */
const WRONG: Record<string, [reason: string, value: unknown][]> = {
  number: [
    ["a text for a number", "1"],
    ["a list for a number", [1]],
    ["an object for a number", { value: 1 }],
    ["true for a number", true],
    ["beyond every range", 1e308],
    ["below every range", -1e308],
  ],
  count: [
    ["a fraction for a count", 1.5],
    ["a text for a count", "9"],
    ["below zero", -7],
    ["beyond 2^53", 1e300],
    ["a list for a count", [3]],
  ],
  switch: [
    ["a number for a switch", 1],
    ["a text for a switch", "true"],
    ["an object for a switch", {}],
  ],
  text: [
    ["a number for a text", 5],
    ["an object for a text", { a: 1 }],
  ],
};

const FIELDS: [kind: keyof typeof WRONG, fields: string[]][] = [
  ["number", ["temperature", "top_p", "min_p", "frequency_penalty", "presence_penalty"]],
  ["number", ["repetition_penalty", "seed"]],
  ["count", ["n", "max_tokens", "priority"]],
  ["switch", ["stream", "ignore_eos", "return_progress"]],
  ["text", ["model", "cache_salt", "user"]],
];

/** Values of {@link WRONG} that a field takes after all. */
const TAKEN = new Set(["priority -7"]);

const wrongFields: HostileBody[] = [[CHAT, { messages }], [TEXT, { prompt: "hi" }]].flatMap(
  ([path, base]) =>
    FIELDS.flatMap(([kind, fields]) =>
      fields.flatMap((field) =>
        WRONG[kind].filter(([, value]) => !TAKEN.has(`${field} ${value}`)).map((
          [reason, value],
        ) => ({
          reason: `${field}: ${reason}`,
          path: path as string,
          body: { ...base as object, [field]: value },
          status: 400,
        }))
      )
    ),
);

/** A tool whose parameters are a schema. */
const withSchema = (schema: unknown) => ({
  messages,
  response_format: { type: "json_schema", json_schema: { name: "s", strict: true, schema } },
});

const nested = (depth: number): object =>
  depth === 0
    ? { type: "string" }
    : { type: "object", properties: { a: nested(depth - 1) }, required: ["a"] };

const structure: HostileBody[] = [
  { reason: "a schema of 500 levels", path: CHAT, body: withSchema(nested(500)), status: 400 },
  {
    reason: "a schema of 20,000 properties",
    path: CHAT,
    body: withSchema({
      type: "object",
      properties: Object.fromEntries(
        Array.from({ length: 20_000 }, (_, index) => [`p${index}`, { type: "string" }]),
      ),
    }),
    status: 400,
  },
  {
    reason: "a schema that refers to itself without end",
    path: CHAT,
    body: withSchema({ $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/a" } } }),
    status: 400,
  },
  { reason: "a schema that is a number", path: CHAT, body: withSchema(3), status: 400 },
  {
    reason: "a schema of an unknown type",
    path: CHAT,
    body: withSchema({ type: "x" }),
    status: 400,
  },
  {
    reason: "a pattern that is no regular expression",
    path: CHAT,
    body: withSchema({ type: "string", pattern: "(" }),
    status: 400,
  },
  {
    reason: "1,000 tools",
    path: CHAT,
    body: {
      messages,
      tools: Array.from({ length: 1000 }, (_, index) => {
        return { type: "function", function: { name: `f${index}` } };
      }),
    },
    status: 400,
  },
  {
    reason: "thousands of stop strings",
    path: CHAT,
    body: { messages, stop: Array.from({ length: 5000 }, (_, index) => `stop ${index}`) },
    status: 400,
  },
  {
    reason: "a bias for 100,000 tokens",
    path: CHAT,
    body: {
      messages,
      logit_bias: Object.fromEntries(Array.from({ length: 100_000 }, (_, id) => [id, 1])),
    },
    status: 400,
  },
  {
    reason: "a bias for a token that is none",
    path: CHAT,
    body: { messages, logit_bias: { __proto__x: 1 } },
    status: 400,
  },
];

const bodies: HostileBody[] = [
  { reason: "nothing", path: CHAT, body: "", status: 400 },
  { reason: "white space", path: CHAT, body: "   \n", status: 400 },
  { reason: "cut JSON", path: CHAT, body: '{"messages": [', status: 400 },
  { reason: "two values", path: CHAT, body: "{}{}", status: 400 },
  { reason: "single quotes", path: CHAT, body: "{'messages': []}", status: 400 },
  { reason: "a trailing comma", path: CHAT, body: '{"messages": [],}', status: 400 },
  { reason: "NaN", path: TEXT, body: '{"prompt": "a", "temperature": NaN}', status: 400 },
  { reason: "a byte order mark within", path: TEXT, body: '{\ufeff"prompt": "a"}', status: 400 },
  { reason: "a form", path: TEXT, body: "prompt=hi&n=1", status: 400 },
  { reason: "XML", path: TEXT, body: "<prompt>hi</prompt>", status: 400 },
  { reason: "a raw NUL in a text", path: TEXT, body: '{"prompt": "a\u0000b"}', status: 400 },
  { reason: "only NUL", path: TEXT, body: "\u0000\u0000\u0000", status: 400 },
  { reason: "100,000 open lists", path: CHAT, body: deep(100_000, "[", "]"), status: 400 },
  { reason: "100,000 open objects", path: CHAT, body: deep(100_000, '{"a":', "}"), status: 400 },
  {
    reason: "messages 10,000 lists deep",
    path: CHAT,
    body: `{"messages": ${deep(10_000, "[", "]")}}`,
    status: 400,
  },
  {
    reason: "a text with half a character",
    path: TEXT,
    body: utf8('{"prompt": "', 0xe2),
    status: 400,
  },
  {
    reason: "a duplicate key, the last wrong",
    path: TEXT,
    body: '{"prompt":"a","prompt":3}',
    status: 400,
  },
  { reason: "a prompt of 10 MB", path: TEXT, body: { prompt: "a ".repeat(5e6) }, status: 400 },
  {
    reason: "a message of 10 MB",
    path: CHAT,
    body: { messages: [{ role: "user", content: "word ".repeat(2e6) }] },
    status: 400,
  },
  {
    reason: "a body of 17 MB",
    path: TEXT,
    body: { prompt: "a".repeat(17 * 2 ** 20) },
    status: 413,
  },
  {
    reason: "a prompt of 400,000 ids",
    path: TEXT,
    body: { prompt: new Array(400_000).fill(5) },
    status: 400,
  },
  {
    reason: "10,000 prompts of nothing",
    path: TEXT,
    body: { prompt: new Array(10_000).fill("") },
    status: 400,
  },
  { reason: "an id beyond the vocabulary", path: TEXT, body: { prompt: [1e9] }, status: 400 },
  { reason: "an id below zero", path: TEXT, body: { prompt: [-1] }, status: 400 },
  { reason: "an id that is no integer", path: TEXT, body: { prompt: [0.5] }, status: 400 },
  { reason: "a list in a list in a list", path: TEXT, body: { prompt: [[[1]]] }, status: 400 },
  {
    reason: "a role of the prototype",
    path: CHAT,
    body: { messages: [{ role: "__proto__" }] },
    status: 400,
  },
  {
    reason: "messages as an object",
    path: CHAT,
    body: { messages: { 0: messages[0] } },
    status: 400,
  },
  {
    reason: "an image for a model that reads text",
    path: CHAT,
    body: {
      messages: [{
        role: "user",
        content: [{ type: "image_url", image_url: { url: "file:///etc" } }],
      }],
    },
    status: 400,
  },
  {
    reason: "another model",
    path: CHAT,
    body: { messages, model: "../../etc/passwd" },
    status: 404,
  },
  {
    reason: "a profile that is not in force",
    path: CHAT,
    body: { messages, kv: { profile: "x" } },
    status: 400,
  },
  { reason: "input that is a number", path: RESPONSES, body: { input: 3 }, status: 400 },
  { reason: "input of nothing", path: RESPONSES, body: {}, status: 400 },
  {
    reason: "a response that came before",
    path: RESPONSES,
    body: { input: "a", previous_response_id: "resp_1" },
    status: 400,
  },
  { reason: "tokens of a number", path: "/tokenize", body: { content: 3 }, status: 400 },
  { reason: "texts of no list", path: "/detokenize", body: { tokens: "abc" }, status: 400 },
  {
    reason: "texts of ids there are none of",
    path: "/detokenize",
    body: { tokens: [1e12] },
    status: 400,
  },
  { reason: "a template of nothing", path: "/apply-template", body: {}, status: 400 },
  { reason: "a slot that is none", path: "/slots/999?action=erase", body: {}, status: 400 },
  { reason: "a slot without an action", path: "/slots/0", body: {}, status: 400 },
  {
    reason: "a slot saved outside of its folder",
    path: "/slots/0?action=save",
    body: { filename: "../../x" },
    status: 400,
  },
  { reason: "a path that is none", path: "/v1/../../etc/passwd", body: {}, status: 404 },
  { reason: "a path of escapes", path: "/%2e%2e/%00", body: {}, status: 404 },
  { reason: "a method that the path has not", path: "/v1/models", body: {}, status: 405 },
];

/** All with a whole head. */
export const HOSTILE_BODIES: readonly HostileBody[] = [...bodies, ...structure, ...wrongFields];

const head = (fields: string, rest = "") =>
  `POST ${CHAT} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n${rest}`;

/** Connections that break HTTP itself. */
export const HOSTILE_BYTES: readonly HostileBytes[] = [
  { reason: "no HTTP", bytes: "hello\r\n\r\n", status: 400 },
  { reason: "TLS on a plain port", bytes: "\x16\x03\x01\x02\x00\x01\x00", status: 400 },
  { reason: "another protocol", bytes: "SSH-2.0-OpenSSH_9\r\n", status: 400 },
  { reason: "no host", bytes: `POST ${CHAT} HTTP/1.1\r\n\r\n`, status: 400 },
  { reason: "a header without a name", bytes: head(": x\r\n"), status: 400 },
  { reason: "a header with a NUL", bytes: head("A: \0\r\n"), status: 400 },
  { reason: "a folded header", bytes: head("A: b\r\n c\r\n d:\r\n\x01: e\r\n"), status: 400 },
  { reason: "10,000 headers", bytes: head("A: b\r\n".repeat(10_000)), status: 431 },
  { reason: "a header of a megabyte", bytes: head(`A: ${"b".repeat(2 ** 20)}\r\n`), status: 431 },
  { reason: "a length that is no number", bytes: head("Content-Length: ten\r\n"), status: 400 },
  { reason: "a length below zero", bytes: head("Content-Length: -5\r\n"), status: 400 },
  {
    reason: "two lengths",
    bytes: head("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"),
    status: 400,
  },
  {
    reason: "a length and chunks: smuggling",
    bytes: head("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    status: 400,
  },
  {
    reason: "chunks of no size",
    bytes: head("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
    status: 400,
  },
  {
    reason: "an encoding there is none of",
    bytes: head("Transfer-Encoding: gzip, x\r\n", "{}"),
    status: 400,
  },
  {
    reason: "a version of the future",
    bytes: `GET / HTTP/9.9\r\nHost: localhost\r\n\r\n`,
    status: 400,
  },
  {
    reason: "a method in small letters",
    bytes: `get / HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    status: 400,
  },
  { reason: "CONNECT", bytes: `CONNECT a:80 HTTP/1.1\r\nHost: localhost\r\n\r\n`, status: null },
  {
    reason: "a half body, then silence of the sender",
    bytes: head("Content-Length: 90\r\n", "{"),
    status: 400,
  },
  {
    reason: "garbage behind a request",
    bytes: `GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n\x00\x01garbage\r\n\r\n`,
    status: 400,
  },
];
