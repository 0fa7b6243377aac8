import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { eventually } from "../support/waiting.ts";

const SCRIPT = new URL("./serve_process.ts", import.meta.url);
/** Two seconds of the process's own. */
const TURN_COUNT_MAX = 200;

/** Starts the server, with one stream that never ends. */
async function start(...args: string[]) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", SCRIPT.pathname, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const url = (await output.read()).value!.trim();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ messages: [{ role: "user", content: "hi" }], stream: true }),
  });
  return { child, url, text: response.text().catch(() => "cut"), output };
}

/** Status of `path`. */
async function statusOf({ url }: { url: string }, path: string): Promise<number> {
  const response = await fetch(url + path);
  await response.body?.cancel();
  return response.status;
}

/** Waits for the end; the exit code, and the turns that it took since the first signal. */
async function finish({ child, output }: Awaited<ReturnType<typeof start>>) {
  const stderr = new Response(child.stderr).text();
  let said = "";
  for (let part = await output.read(); !part.done; part = await output.read()) said += part.value;
  const { code } = await child.status;
  await child.stdin.close().catch(() => {}); // some close it before
  return { code, stderr: await stderr, turnCount: Number.parseInt(said) };
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`${signal} ends the process within 2 s, its streams told why`, async () => {
    const server = await start();
    server.child.kill(signal);
    const { code, stderr, turnCount } = await finish(server);
    assert(turnCount < TURN_COUNT_MAX, `${turnCount} turns`);
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(await server.text, "shutting_down");
  });
}

Deno.test("SIGTERM lets streams end by themselves, refusing new ones meanwhile, then exits with 0", async () => {
  const server = await start("held", "600");
  server.child.kill("SIGTERM");
  await eventually(async () => await statusOf(server, "/health") === 503);
  assertEquals(await statusOf(server, "/livez"), 200);
  await server.child.stdin.close();
  const { code, stderr } = await finish(server);
  assertEquals([code, stderr], [0, ""]);
  const text = await server.text;
  assertStringIncludes(text, '"content":"b"');
  assertStringIncludes(text, "[DONE]");
});

Deno.test("SIGTERM ends streams that take too long; SIGINT hurries it", async () => {
  for (const [limit, hurry] of [["0.3", false], ["600", true]] as const) {
    const server = await start(limit);
    server.child.kill("SIGTERM");
    if (hurry) {
      // The first signal has been heard.
      await eventually(async () => await statusOf(server, "/health") === 503);
      server.child.kill("SIGINT");
    }
    const { code, turnCount } = await finish(server);
    assert(turnCount < TURN_COUNT_MAX, `${turnCount} turns`);
    assertEquals(code, 0);
    assertStringIncludes(await server.text, "shutting_down");
  }
});

Deno.test("an engine that does not close delays the end by less than 2 s", async () => {
  const server = await start("stuck");
  server.child.kill("SIGINT");
  const { code, turnCount } = await finish(server);
  assert(turnCount < TURN_COUNT_MAX, `${turnCount} turns`);
  assertEquals(code, 0);
  await server.text;
});

Deno.test("a second signal ends the process at once with 130", async () => {
  const server = await start("endless");
  server.child.kill("SIGINT");
  // The first signal has been heard: it ends what runs.
  assertStringIncludes(await server.text, "shutting_down");
  server.child.kill("SIGINT");
  assertEquals((await finish(server)).code, 130);
});
