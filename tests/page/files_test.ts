import { assert, assertEquals, assertMatch } from "@std/assert";
import { harness } from "../server/harness.ts";

const FILE_NAME = /(?:href|src|from|import)\s*[=(]?\s*"(?:page\/|\.\/)([\w.]+)/g;

/** Every file the page leads to, by name. */
async function allFiles(): Promise<Map<string, Response & { content: string }>> {
  const { app } = harness(() => [], { app: { apiKeys: ["secret"] } });
  const found = new Map<string, Response & { content: string }>();
  const waiting = ["/"];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const response = await app.request(path);
    const content = await response.text();
    found.set(path, Object.assign(response, { content }));
    for (const [, name] of content.matchAll(FILE_NAME)) {
      const next = `/page/${name}`;
      if (path !== "/page/marked.mjs" && !found.has(next)) waiting.push(next);
    }
  }
  return found;
}

Deno.test("the page and all its files are served without a key, under a strict policy", async () => {
  const files = await allFiles();
  assert(files.size > 20, `${[...files.keys()]}`);
  for (const [path, { status, headers }] of files) {
    assertEquals(status, 200, path);
    const policy = headers.get("Content-Security-Policy") ?? "";
    assertMatch(policy, /default-src 'none'; script-src 'self';/, path);
    assertMatch(policy, /require-trusted-types-for 'script'/, path);
    assert(!/unsafe|https?:|\*/.test(policy), policy);
    assertEquals(headers.get("X-Content-Type-Options"), "nosniff", path);
  }
  assertMatch(files.get("/page/main.mjs")!.headers.get("Content-Type")!, /^text\/javascript/);
});

Deno.test("the page needs no Internet: its files name no other host", async () => {
  for (const [path, { content }] of await allFiles()) {
    if (path === "/page/marked.mjs") continue; // names its home page in a comment
    const hosts = [...content.matchAll(/https?:\/\/([\w.]+)/g)].map(([, host]) => host);
    assertEquals(hosts.filter((host) => host !== "www.w3.org"), [], path);
  }
});

Deno.test("the page is small: under 160 kB before compression, library included", async () => {
  const sizes = [...(await allFiles()).values()].map(({ content }) => content.length);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert(total < 160_000, `${total}`);
});

Deno.test("a file of the page is not sent again while it has not changed", async () => {
  const { app } = harness(() => []);
  const etag = (await app.request("/page/main.mjs")).headers.get("ETag")!;
  const again = await app.request("/page/main.mjs", { headers: { "If-None-Match": etag } });
  assertEquals([again.status, await again.text()], [304, ""]);
});

Deno.test("a file that the page does not have gets 404, also by a path that climbs", async () => {
  const { app } = harness(() => []);
  for (const name of ["nothing.mjs", "files.ts", "..%2Fapp.ts", "constructor", "__proto__"]) {
    const response = await app.request(`/page/${name}`);
    assertEquals(response.status, 404, name);
    assertEquals((await response.json()).error.code, "not_found");
  }
});

Deno.test("what the page asks the server for still needs the key", async () => {
  const { app } = harness(() => [], { app: { apiKeys: ["secret"] } });
  for (const path of ["/props", "/metrics", "/v1/models", "/page/../props"]) {
    assertEquals((await app.request(path)).status, 401, path);
  }
});
