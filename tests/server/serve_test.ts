import { assert, assertEquals, assertStringIncludes } from "@std/assert";

const SCRIPT = new URL("./serve_process.ts", import.meta.url);

/** Starts the server, with one stream that never ends. */
async function start(...args: string[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", SCRIPT.pathname, ...args],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.stdout.getReader();
  const url = new TextDecoder().decode((await output.read()).value).trim();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ messages: [{ role: "user", content: "hi" }], stream: true }),
  });
  return { child, url, text: response.text().catch(() => "cut"), output };
}

async function finish({ child, output }: Awaited<ReturnType<typeof start>>) {
  await output.cancel();
  const stderr = new Response(child.stderr).text();
  const { code } = await child.status;
  return { code, stderr: await stderr };
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`${signal} ends the process within 2 s, its streams told why`, async () => {
    const server = await start();
    const startMs = performance.now();
    server.child.kill(signal);
    const { code, stderr } = await finish(server);
    assert(performance.now() - startMs < 2000);
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(await server.text, "shutting_down");
  });
}

Deno.test("SIGTERM lets streams end by themselves, refusing new ones meanwhile, then exits with 0", async () => {
  const server = await start("slow", "5");
  server.child.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 100));
  const [ready, live] = await Promise.all(["/health", "/livez"].map(async (path) => {
    const response = await fetch(server.url + path);
    await response.body?.cancel();
    return response.status;
  }));
  assertEquals([ready, live], [503, 200]);
  const { code, stderr } = await finish(server);
  assertEquals([code, stderr], [0, ""]);
  const text = await server.text;
  assertStringIncludes(text, '"content":"b"');
  assertStringIncludes(text, "[DONE]");
});

Deno.test("SIGTERM ends streams that take too long; SIGINT hurries it", async () => {
  for (const [limit, hurry] of [["0.3", false], ["60", true]] as const) {
    const server = await start(limit);
    const startMs = performance.now();
    server.child.kill("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (hurry) server.child.kill("SIGINT");
    const { code } = await finish(server);
    assert(performance.now() - startMs < 2000);
    assertEquals(code, 0);
    assertStringIncludes(await server.text, "shutting_down");
  }
});

Deno.test("an engine that does not close delays the end by less than 2 s", async () => {
  const server = await start("stuck");
  const startMs = performance.now();
  server.child.kill("SIGINT");
  const { code } = await finish(server);
  assert(performance.now() - startMs < 2000);
  assertEquals(code, 0);
  await server.text;
});

Deno.test("a second signal ends the process at once with 130", async () => {
  const server = await start("stuck");
  server.child.kill("SIGINT");
  await new Promise((resolve) => setTimeout(resolve, 200));
  const startMs = performance.now();
  server.child.kill("SIGINT");
  const { code } = await finish(server);
  assertEquals(code, 130);
  assert(performance.now() - startMs < 500);
  await server.text;
});
