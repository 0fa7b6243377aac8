import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { checkBind, isLoopback } from "../../server/auth.ts";
import { tokensOf } from "../support/fake_engine.ts";
import { harness } from "./harness.ts";

const keyed = () => harness(() => tokensOf("a"), { app: { apiKeys: ["first", "second key"] } });

Deno.test("every path but /health asks for a key, with and without /v1", async () => {
  const { app } = keyed();
  const paths = ["/v1/models", "/models", "/metrics", "/props", "/v1/nothing"];
  for (const path of paths) {
    const response = await app.request(path);
    assertEquals([path, response.status], [path, 401]);
    assertEquals(response.headers.get("www-authenticate"), "Bearer");
    const { error } = await response.json();
    assertEquals([error.code, error.type], ["invalid_api_key", "invalid_request_error"]);
  }
  for (const path of ["/health", "/v1/health"]) assertEquals((await app.request(path)).status, 200);
});

Deno.test("any of the keys is accepted, nothing else is", async () => {
  const { app } = keyed();
  const statusOf = async (authorization: string) => {
    const response = await app.request("/v1/models", { headers: { Authorization: authorization } });
    await response.body?.cancel();
    return response.status;
  };
  for (const good of ["Bearer first", "bearer first", "Bearer second key", "Bearer  first "]) {
    assertEquals([good, await statusOf(good)], [good, 200]);
  }
  for (const bad of ["", "Bearer", "Bearer firs", "Bearer firstt", "Basic first", "first"]) {
    assertEquals([bad, await statusOf(bad)], [bad, 401]);
  }
});

Deno.test("a request without a key is refused before its body is read", async () => {
  const { post } = keyed();
  assertEquals((await post("/v1/chat/completions", "{")).status, 401);
});

Deno.test("isLoopback() knows this machine's addresses only", () => {
  for (const own of ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]) {
    assert(isLoopback(own));
  }
  for (const other of ["0.0.0.0", "::", "10.0.0.1", "example.org", "127.0.0.1.example.org"]) {
    assertFalse(isLoopback(other));
  }
});

Deno.test("checkBind() refuses other addresses if there is no key and insecure is not set", () => {
  assertThrows(
    () => checkBind("0.0.0.0", { keyCount: 0, insecure: false }),
    TypeError,
    "--insecure",
  );
  checkBind("0.0.0.0", { keyCount: 1, insecure: false });
  checkBind("0.0.0.0", { keyCount: 0, insecure: true });
  checkBind("127.0.0.1", { keyCount: 0, insecure: false });
});

Deno.test("browsers of other origins get no CORS headers unless asked for", async () => {
  const headersFor = async (corsOrigins: string[], origin: string) => {
    const { app } = harness(() => [], { app: { corsOrigins, apiKeys: ["k"] } });
    const response = await app.request("/v1/chat/completions", {
      method: "OPTIONS",
      headers: { Origin: origin, "Access-Control-Request-Method": "POST" },
    });
    return response.headers.get("access-control-allow-origin");
  };
  assertEquals(await headersFor([], "http://a.example"), null);
  assertEquals(await headersFor(["http://a.example"], "http://a.example"), "http://a.example");
  assertEquals(await headersFor(["http://a.example"], "http://b.example"), null);
  assertEquals(await headersFor(["*"], "http://b.example"), "*");
});
