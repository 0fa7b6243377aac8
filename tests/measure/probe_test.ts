import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { LoadError } from "../../server/measure/load/outcome.ts";
import { normaliseUrl, probeServer } from "../../server/measure/load/probe.ts";
import { endFrames, steadyAnswer, textFrame, withFakeServer } from "./fake_server.ts";

const { signal } = new AbortController();
const refusal = () => Response.json({ error: { message: "not this" } }, { status: 400 });

const address = (url: string, model: string | null = null) => {
  return { url, apiKey: "secret", model, signal };
};

Deno.test("probeServer() uses token ids of the listed model's vocabulary", () =>
  withFakeServer((request) => steadyAnswer(request), async ({ url, seen }) => {
    assertEquals(await probeServer(address(`${url}/v1/`)), {
      target: { baseUrl: url, apiKey: "secret", model: "first", ignoresEos: true },
      writer: { kind: "token-ids", vocabSize: 400 },
      modelMeta: { n_vocab: 400 },
    });
    const [{ path, authorization, body }] = seen;
    assertEquals([path, authorization], ["/v1/completions", "Bearer secret"]);
    assertEquals([body.model, body.stream, body.ignore_eos], ["first", true, true]);
    assertEquals(body.stream_options, { include_usage: true });
    assertEquals(body.prompt.length, 32);
  }));

Deno.test("probeServer() uses text, of measured length, if ids are refused", () =>
  withFakeServer(
    ({ body }) => typeof body.prompt === "string" ? [textFrame("a"), endFrames(48, 4)] : refusal(),
    async ({ url }) => {
      const { writer, target } = await probeServer(address(url));
      assertEquals(writer, { kind: "text", tokensPerWord: 1.5 });
      assertEquals(target.ignoresEos, true);
    },
  ));

Deno.test("probeServer() uses text if ids are taken for something else", () =>
  withFakeServer(
    ({ body }) => [endFrames(typeof body.prompt === "string" ? 32 : 150, 4)],
    async ({ url }) => {
      assertEquals((await probeServer(address(url))).writer, { kind: "text", tokensPerWord: 1 });
    },
  ));

Deno.test("probeServer() leaves ignore_eos out if it is refused", () =>
  withFakeServer(
    (request) => request.body.ignore_eos ? refusal() : steadyAnswer(request),
    async ({ url }) => {
      const { target, writer } = await probeServer(address(url));
      assertEquals([target.ignoresEos, writer.kind], [false, "token-ids"]);
    },
  ));

Deno.test("probeServer() takes a model by name, listed or not", () =>
  withFakeServer((request) => steadyAnswer(request), async ({ url }) => {
    const second = await probeServer(address(url, "second"));
    assertEquals([second.target.model, second.modelMeta], ["second", null]);
    assertEquals((await probeServer(address(url, "hidden"))).target.model, "hidden");
  }));

const FAILURES: [string, () => Response | string[], RegExp][] = [
  ["refuses all", refusal, /: http_400: not this$/],
  ["wants a key", () => new Response("no", { status: 401 }), /: http_401: no$/],
  ["tells no usage", () => [textFrame("a"), "data: [DONE]\n\n"], /: no_usage: /],
  ["does not stream", () => Response.json({ choices: [] }), /: stream_cut: /],
];

for (const [state, answer, message] of FAILURES) {
  Deno.test(`probeServer() says so if the server ${state}`, () =>
    withFakeServer(answer, async ({ url }) => {
      const error = await assertRejects(() => probeServer(address(url)), LoadError);
      assertEquals(message.test(error.message), true, error.message);
    }));
}

Deno.test("probeServer() asks for a model's name if none is listed", () =>
  withFakeServer((request) => steadyAnswer(request), async ({ url }) => {
    const error = await assertRejects(() => probeServer(address(url)), LoadError);
    assertEquals(error.message, `Cannot measure ${url}: it lists no model; name a model`);
  }, { models: () => Response.json({ data: [] }) }));

Deno.test("probeServer() does not follow a redirection to another server", () =>
  withFakeServer((request) => steadyAnswer(request), async (other) => {
    const redirect = () => Response.redirect(`${other.url}/v1/completions`, 307);
    await withFakeServer(redirect, async ({ url }) => {
      await assertRejects(() => probeServer(address(url)), LoadError, "http_307");
    });
    assertEquals(other.seen, []);
  }));

Deno.test("normaliseUrl() drops /v1 and slashes at the end, keeps a path, refuses the rest", () => {
  assertEquals(normaliseUrl("http://h:8000/v1/"), "http://h:8000");
  assertEquals(normaliseUrl("https://h/proxy/v1"), "https://h/proxy");
  assertEquals(normaliseUrl("http://h:1"), "http://h:1");
  for (const url of ["127.0.0.1:8000", "ftp://h", ""]) {
    assertThrows(() => normaliseUrl(url), TypeError, "Cannot use URL");
  }
});
