/** Bodies as clients of many languages send them, over a real socket. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { tokensOf } from "../support/fake_engine.ts";
import { chunked, rawRequest, sendRaw } from "./raw_http.ts";
import { withServer } from "./serve_app.ts";

const messages = [{ role: "user", content: "hi" }];
const BODIES: Readonly<Record<string, object>> = {
  "/chat/completions": { messages },
  "/completions": { prompt: "hi" },
  "/responses": { input: "hi" },
  "/tokenize": { content: "hi" },
  "/detokenize": { tokens: [104, 105] },
  "/apply-template": { messages },
  "/slots/0?action=save": { filename: "a" },
  "/slots/0?action=restore": { filename: "a" },
  "/slots/0?action=erase": {},
};
const GETS = [
  "/health",
  "/livez",
  "/is_sleeping",
  "/metrics",
  "/props",
  "/slots",
  "/models",
  "/models/fake",
];
const PREFIXES = ["", "/v1"];
const withFolder = { app: { slotFolder: "/tmp" } };
const chunks = { "Transfer-Encoding": "chunked" };

for (const [path, body] of Object.entries(BODIES)) {
  for (const prefix of PREFIXES) {
    Deno.test(`POST ${prefix}${path} answers a body in chunks, which has no Content-Length`, () =>
      withServer(() => tokensOf("a"), async ({ url }) => {
        for (const size of [1, 7, 4096]) {
          const sent = chunked(JSON.stringify(body), size);
          const request = rawRequest("POST", prefix + path, { headers: chunks, body: sent });
          const answer = await sendRaw(url, request);
          assertEquals(answer.status, 200, answer.body);
          JSON.parse(answer.body);
        }
      }, withFolder));
  }
}

Deno.test("POST without any body erases a slot, and is invalid JSON where one is needed", () =>
  withServer(() => [], async ({ url, engine }) => {
    const erased = await sendRaw(url, rawRequest("POST", "/slots/0?action=erase"));
    assertEquals([erased.status, engine.slotActions.length], [200, 1]);
    for (const path of Object.keys(BODIES).filter((path) => !path.startsWith("/slots"))) {
      const answer = await sendRaw(url, rawRequest("POST", path));
      assertEquals([path, answer.status], [path, 400]);
      assertEquals(JSON.parse(answer.body).error.code, "invalid_json");
    }
  }));

Deno.test("GET and HEAD of every endpoint answer with and without a body in chunks", () =>
  withServer(() => [], async ({ url }) => {
    const body = chunked("ignored", 3);
    for (const path of GETS.flatMap((each) => PREFIXES.map((prefix) => prefix + each))) {
      const bare = await sendRaw(url, rawRequest("GET", path));
      const withBody = await sendRaw(url, rawRequest("GET", path, { headers: chunks, body }));
      const head = await sendRaw(url, rawRequest("HEAD", path));
      const statuses = [bare.status, withBody.status, head.status];
      assertEquals([path, ...statuses], [path, 200, 200, 200]);
      assertEquals(head.body, "");
    }
  }));

Deno.test("OPTIONS, DELETE, PUT and PATCH of every endpoint say which methods there are", () =>
  withServer(() => [], async ({ url }) => {
    const posts = Object.keys(BODIES).map((path) => [path, "POST"]);
    const gets = GETS.map((path) => [path, "GET"]);
    const pages = ["/", "/docs", "/guide", "/openapi.json"].map((path) => [path, "GET"]);
    for (const [path, allowed] of [...posts, ...gets, ...pages]) {
      const options = await sendRaw(url, rawRequest("OPTIONS", path));
      assertEquals([path, options.status, options.body], [path, 204, ""]);
      assertStringIncludes(options.headers.get("allow")!, allowed);
      for (const method of ["DELETE", "PUT", "PATCH"]) {
        for (const sent of [{}, { headers: chunks, body: chunked("{}", 1) }]) {
          const answer = await sendRaw(url, rawRequest(method, path, sent));
          assertEquals([method, path, answer.status], [method, path, 405]);
          assertEquals(answer.headers.get("allow"), options.headers.get("allow"));
        }
      }
    }
    for (const method of ["OPTIONS", "DELETE", "PUT", "POST", "GET"]) {
      const answer = await sendRaw(url, rawRequest(method, "/v1/nothing"));
      assertEquals([method, answer.status], [method, 404]);
      assertEquals(JSON.parse(answer.body).error.code, "not_found");
    }
  }));

Deno.test("a body in chunks over the limit gets 413, one at the limit its answer", () =>
  withServer(() => tokensOf("a"), async ({ url }) => {
    const text = JSON.stringify({ content: "x".repeat(80) });
    const send = (body: string) =>
      sendRaw(
        url,
        rawRequest("POST", "/tokenize", { headers: chunks, body: chunked(body, 9) }),
      );
    assertEquals((await send(text.padEnd(100))).status, 200);
    const refused = await send(text.padEnd(101));
    assertEquals([refused.status, JSON.parse(refused.body).error.code], [413, "body_too_large"]);
  }, { app: { limits: { bodySizeBytesMax: 100 } } }));

Deno.test("a client that waits for 100 Continue gets its answer", () =>
  withServer(() => tokensOf("a"), async ({ url }) => {
    const body = JSON.stringify({ content: "hi" });
    const headers = { Expect: "100-continue", "Content-Length": String(body.length) };
    const { hostname, port } = new URL(url);
    const connection = await Deno.connect({ hostname, port: Number(port) });
    const write = (text: string) => connection.write(new TextEncoder().encode(text));
    const buffer = new Uint8Array(4096);
    const read = async () => {
      return new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
    };
    await write(rawRequest("POST", "/tokenize", { headers }));
    assertStringIncludes(await read(), "HTTP/1.1 100 Continue\r\n");
    await write(body);
    assertStringIncludes(await read(), "HTTP/1.1 200 OK\r\n");
    connection.close();
  }));

for (const encoding of ["gzip", "deflate", "br", "zstd", "gzip, br"]) {
  Deno.test(`a body compressed by ${encoding} gets 415 that names Content-Encoding`, () =>
    withServer(() => [], async ({ url }) => {
      const body = "\x1f\x0b\x08";
      const headers = { "Content-Encoding": encoding, "Content-Length": "3" };
      const answer = await sendRaw(url, rawRequest("POST", "/completions", { headers, body }));
      assertEquals(answer.status, 415);
      const { error } = JSON.parse(answer.body);
      assertStringIncludes(error.message, `Content-Encoding: ${encoding}`);
      assertEquals(error.code, "unsupported_content_encoding");
    }));
}

Deno.test("a body of Content-Encoding: identity is read", () =>
  withServer(() => [], async ({ url }) => {
    const body = JSON.stringify({ content: "hi" });
    const headers = { "Content-Encoding": "identity", "Content-Length": String(body.length) };
    const answer = await sendRaw(url, rawRequest("POST", "/tokenize", { headers, body }));
    assertEquals(answer.status, 200);
  }));

Deno.test("trailing and doubled slashes of a path do not matter", () =>
  withServer(() => tokensOf("a"), async ({ url }) => {
    const body = JSON.stringify({ prompt: "hi" });
    const headers = { "Content-Length": String(body.length) };
    for (
      const path of [
        "//v1/completions",
        "/v1//completions",
        "/v1/completions/",
        "//v1///completions//",
      ]
    ) {
      const answer = await sendRaw(url, rawRequest("POST", path, { headers, body }));
      assertEquals([path, answer.status], [path, 200]);
    }
    for (const path of ["/v1/models/", "//health", "/v1//models//fake/", "//", "/page//main.mjs"]) {
      const answer = await sendRaw(url, rawRequest("GET", path));
      assertEquals([path, answer.status], [path, 200]);
    }
    const query = await sendRaw(url, rawRequest("POST", "/slots/0/?action=erase"));
    assertEquals(query.status, 200);
    const wrong = await sendRaw(url, rawRequest("GET", "/v1/completions/"));
    assertEquals([wrong.status, wrong.headers.get("allow")?.includes("POST")], [405, true]);
    // A page's addresses are relative: below a slash they would be others.
    const page = await sendRaw(url, rawRequest("GET", "/guide/"));
    assert(page.status === 302 && page.headers.get("location") === "../guide");
  }));
