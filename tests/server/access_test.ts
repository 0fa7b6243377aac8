/** Web pages and a server without keys, over a real socket. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkBind } from "../../server/auth.ts";
import { tokensOf } from "../support/fake_engine.ts";
import { rawRequest, sendRaw } from "./raw_http.ts";
import { withServer } from "./serve_app.ts";

const CHAT = "/v1/chat/completions";
const BODY = JSON.stringify({ messages: [{ role: "user", content: "hi" }] });

/** Status and error code of a request with some headers. */
async function ask(url: string, path: string, headers: Record<string, string>) {
  const isPost = path === CHAT;
  const sent = isPost ? { ...headers, "Content-Length": String(BODY.length) } : headers;
  const body = isPost ? BODY : "";
  const answer = await sendRaw(
    url,
    rawRequest(isPost ? "POST" : "GET", path, { headers: sent, body }),
  );
  const error = answer.status < 400 ? null : JSON.parse(answer.body).error;
  return { status: answer.status, error, headers: answer.headers };
}

const PATHS = ["/", "/docs", "/health", "/metrics", "/props", "/slots", "/v1/models", CHAT];

Deno.test("a server without keys answers for addresses and localhost, with any port", () =>
  withServer(() => tokensOf("a"), async ({ url }) => {
    const { port } = new URL(url);
    const names = ["127.0.0.1", "192.168.1.20", "[::1]", "[fd00::a:1]", "localhost", "LocalHost"];
    const hosts = [...names, "chat.localhost", "localhost."].flatMap((name) => {
      return [name, `${name}:${port}`, `${name}:80`];
    });
    for (const Host of hosts) {
      for (const path of PATHS) {
        assertEquals([Host, path, (await ask(url, path, { Host })).status], [Host, path, 200]);
      }
    }
  }));

Deno.test("a server without keys refuses any other name with 403, which says how to allow it", () =>
  withServer(() => tokensOf("a"), async ({ url, engine }) => {
    const { port } = new URL(url);
    const names = [
      "evil.example",
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "evillocalhost",
      "1.2.3.4.example",
      "a",
    ];
    for (const name of names) {
      for (const path of [...PATHS, "/v1/nothing", "/page/main.mjs"]) {
        const { status, error } = await ask(url, path, { Host: `${name}:${port}` });
        assertEquals([name, path, status, error?.code], [name, path, 403, "host_not_allowed"]);
        assertStringIncludes(error.message, `--allowed-hosts ${name}`);
        assertStringIncludes(error.message, "--api-key");
      }
    }
    assertEquals(engine.requests.length, 0);
  }));

Deno.test("a host that is none gets 400 that says so", () =>
  withServer(() => [], async ({ url }) => {
    for (const Host of ["evil.example@127.0.0.1", "a b", "[::1", "::1", "a/b", "a:port"]) {
      const { status, error } = await ask(url, "/props", { Host });
      assertEquals([Host, status, error?.code], [Host, 400, "invalid_url"]);
    }
  }));

Deno.test("names that were allowed are answered for, and the pages of them", () =>
  withServer(() => tokensOf("a"), async ({ url }) => {
    for (const Host of ["box.lan:8000", "BOX.lan", "ai.example.org"]) {
      const Origin = `https://${Host}`;
      for (const path of PATHS) {
        assertEquals((await ask(url, path, { Host })).status, 200);
        assertEquals((await ask(url, path, { Host, Origin })).status, 200);
      }
    }
    assertEquals((await ask(url, "/props", { Host: "other.lan" })).status, 403);
  }, { app: { hostNames: ["box.lan", "AI.example.org"] } }));

Deno.test('"*" allows every name', () =>
  withServer(() => [], async ({ url }) => {
    assertEquals((await ask(url, "/props", { Host: "any.example" })).status, 200);
  }, { app: { hostNames: ["*"] } }));

Deno.test("a page of another origin is refused without --cors, whatever its body is called", () =>
  withServer(() => tokensOf("a"), async ({ url, engine }) => {
    const { host, port } = new URL(url);
    const foreign = [
      "http://evil.example",
      "https://evil.example:8443",
      "http://localhost:1",
      `http://localhost:${port}`, // not the address it asks
      "null",
      "file://",
      "chrome-extension://abc",
      "nonsense",
    ];
    for (const Origin of foreign) {
      for (const path of PATHS) {
        const headers = { Host: host, Origin, "Content-Type": "text/plain" };
        const { status, error } = await ask(url, path, headers);
        assertEquals([Origin, path, status, error?.code], [
          Origin,
          path,
          403,
          "origin_not_allowed",
        ]);
        assertStringIncludes(error.message, `--cors ${Origin}`);
      }
      const preflight = { Host: host, Origin, "Access-Control-Request-Method": "POST" };
      assertEquals(
        (await sendRaw(url, rawRequest("OPTIONS", CHAT, { headers: preflight }))).status,
        403,
      );
    }
    assertEquals(engine.requests.length, 0);
  }));

Deno.test("the server's own page is not foreign, behind a proxy for TLS neither", () =>
  withServer(() => tokensOf("a"), async ({ url }) => {
    const { host, port } = new URL(url);
    const pairs = [
      [host, `http://${host}`],
      [`localhost:${port}`, `http://localhost:${port}`],
      [`[::1]:${port}`, `http://[::1]:${port}`],
      ["localhost", "http://localhost"],
      ["localhost:80", "http://localhost"],
      ["localhost", "https://localhost"],
      ["localhost:443", "https://localhost"],
      ["chat.localhost:8443", "https://chat.localhost:8443"],
    ];
    for (const [Host, Origin] of pairs) {
      assertEquals([Origin, (await ask(url, CHAT, { Host, Origin })).status], [Origin, 200]);
    }
  }));

Deno.test("origins given to --cors are answered, with their headers, others are not", () =>
  withServer(() => tokensOf("a"), async ({ url }) => {
    const { host: Host } = new URL(url);
    const Origin = "http://app.example";
    const { status, headers } = await ask(url, CHAT, { Host, Origin });
    assertEquals([status, headers.get("access-control-allow-origin")], [200, Origin]);
    assertEquals((await ask(url, CHAT, { Host, Origin: "http://app.example.evil" })).status, 403);
    assertEquals((await ask(url, CHAT, { Host, Origin: "null" })).status, 403);
    // CORS does not make other names this server's.
    assertEquals((await ask(url, CHAT, { Host: "evil.example", Origin })).status, 403);
  }, { app: { corsOrigins: ["http://app.example"] } }));

Deno.test('--cors "*" answers every origin', () =>
  withServer(() => tokensOf("a"), async ({ url }) => {
    for (const Origin of ["null", "http://evil.example"]) {
      const { status, headers } = await ask(url, CHAT, { Origin });
      assertEquals([status, headers.get("access-control-allow-origin")], [200, "*"]);
    }
  }, { app: { corsOrigins: ["*"] } }));

Deno.test("with keys, hosts and origins are not looked at: no page knows the key", () =>
  withServer(() => tokensOf("a"), async ({ url }) => {
    const foreign = { Host: "ai.example", Origin: "http://evil.example" };
    assertEquals((await ask(url, CHAT, foreign)).status, 401);
    assertEquals((await ask(url, CHAT, { ...foreign, Authorization: "Bearer k" })).status, 200);
    assertEquals((await ask(url, "/", { Host: "ai.example" })).status, 200);
  }, { app: { apiKeys: ["k"] } }));

Deno.test("HTTP/1.0 needs no host, HTTP/1.1 does", () =>
  withServer(() => [], async ({ url }) => {
    for (const head of ["", "Host: \r\n", "Host: localhost\r\n"]) {
      const answer = await sendRaw(url, `GET /props HTTP/1.0\r\n${head}\r\n`);
      assertEquals([head, answer.status], [head, 200]);
    }
    const named = await sendRaw(url, "GET /props HTTP/1.0\r\nHost: evil.example\r\n\r\n");
    assertEquals(named.status, 403);
    const request = "GET /props HTTP/1.1\r\nConnection: close\r\n\r\n";
    assertEquals((await sendRaw(url, request)).status, 400);
  }));

for (const hostname of ["::1", "[::1]"]) {
  Deno.test(`--host ${hostname} listens where its URL says`, () =>
    withServer(() => [], async ({ url }) => {
      const { hostname: shown, port, host } = new URL(url);
      assertEquals([url, shown], [`http://[::1]:${port}`, "[::1]"]);
      checkBind(hostname, { keyCount: 0, insecure: false });
      const answer = await ask(url, "/props", { Host: host, Origin: url });
      assertEquals(answer.status, 200);
      assertEquals((await (await fetch(`${url}/health`)).json()).status, "ok");
    }, { hostname }));
}
