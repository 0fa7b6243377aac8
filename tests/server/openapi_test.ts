import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";

Deno.test("/openapi.json documents every route, each with schemas and errors", async () => {
  const { app } = harness(() => tokensOf("a"), { app: { apiKeys: ["k"] } });
  const document = await (await app.request("/v1/openapi.json")).json();
  assertEquals(document.openapi, "3.1.0");
  const served = app.routes.filter(({ path, method }) =>
    path.startsWith("/v1/") && method !== "ALL" && !path.includes("openapi.json")
  );
  const paths = served.map(({ path }) => path.replace(/:(\w+)(\{.*\})?/g, "{$1}"));
  assertEquals(Object.keys(document.paths).sort(), [...new Set(paths)].sort());
  for (const [path, item] of Object.entries<Record<string, never>>(document.paths)) {
    for (const { responses } of Object.values<{ responses: Record<string, unknown> }>(item)) {
      assert("200" in responses && "401" in responses && "503" in responses, path);
      for (const [status, answer] of Object.entries(responses)) {
        const { description } = answer as { description?: string };
        assert(description, `${path} ${status} says what it means`);
      }
    }
  }
  const text = JSON.stringify(document);
  assert(!text.includes('"nullable"'), "3.1 says null by its type");
  for (const field of ["temperature", "logit_bias", "top_logprobs", "echo", "cache_salt"]) {
    assertStringIncludes(text, `"${field}"`);
  }
});

Deno.test("/docs shows the document with files of this server alone, and needs no key", async () => {
  const { app } = harness(() => [], { app: { apiKeys: ["k"] } });
  const page = await app.request("/docs");
  const html = await page.text();
  assertEquals(page.status, 200);
  assertStringIncludes(page.headers.get("content-security-policy")!, "default-src 'none'");
  const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path);
  assertEquals(files.length, 4);
  for (const path of files) {
    if (path === "data:,") continue; // no icon is asked for
    assert(path.startsWith("/docs/"), path);
    const response = await app.request(path);
    assertEquals([path, response.status], [path, 200]);
    assert((await response.text()).length > 50);
    const etag = response.headers.get("etag")!;
    const again = await app.request(path, { headers: { "If-None-Match": etag } });
    assertEquals(again.status, 304);
  }
});
