/** A real server under hostile requests: right answers, flat memory, neighbours undisturbed. */

import { assert, assertEquals } from "@std/assert";
import { type ServeProcess, startServe } from "../support/serve_process.ts";
import { withTinyModel } from "../support/tiny_engine.ts";
import { HOSTILE_BODIES, HOSTILE_BYTES } from "./hostile_requests.ts";

const CASE_COUNT_MIN = 200;
/** Heaps grow to the size of the largest body, and stay so. */
const RSS_GROWTH_BYTES_MAX = 60e6;
/** A heap not yet collected is given back in a later pass; what leaks is not. */
const PASS_COUNT_MAX = 4;

/** Runs `body` against `packkv serve` on a tiny model. */
async function withServer(body: (server: ServeProcess) => Promise<void>): Promise<void> {
  await withTinyModel({ contextLength: 4096 }, async (path) => {
    const server = await startServe(["--model", path, "--profile", "paper", "--log", "off"]);
    try {
      await body(server);
    } finally {
      await server.end("SIGINT");
    }
  });
}

async function rssBytes({ pid }: ServeProcess): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)![1]);
}

async function deviceBytes({ url }: ServeProcess): Promise<number> {
  const { memory } = await (await fetch(new URL("/props", url))).json();
  return memory.device_bytes;
}

/** Sends all bodies; what came instead of what should. */
async function sendBodies({ url }: ServeProcess): Promise<string[]> {
  const wrong: string[] = [];
  for (const { reason, path, body, status } of HOSTILE_BODIES) {
    const isRaw = typeof body === "string" || body instanceof Uint8Array;
    const response = await fetch(new URL(path, url), {
      method: "POST",
      body: isRaw ? body as BodyInit : JSON.stringify(body),
    });
    const text = await response.text();
    if (response.status !== status) {
      wrong.push(`${reason}: ${response.status} ${text.slice(0, 200)}`);
    } else if (typeof JSON.parse(text).error?.message !== "string") {
      wrong.push(`${reason}: ${text}`);
    }
  }
  return wrong;
}

/** Status of the first answer to some bytes; null if the connection was closed. */
async function statusOf({ url }: ServeProcess, bytes: string): Promise<number | null> {
  const connection = await Deno.connect({ hostname: url.hostname, port: Number(url.port) });
  try {
    const sent = Uint8Array.from(bytes, (letter) => letter.charCodeAt(0));
    for (let at = 0; at < sent.length;) at += await connection.write(sent.subarray(at));
    await connection.closeWrite();
    const answer = new Uint8Array(4096);
    const count = await connection.read(answer);
    const text = new TextDecoder().decode(answer.subarray(0, count ?? 0));
    const found = /^HTTP\/1\.1 (\d+)/.exec(text);
    return found === null ? null : Number(found[1]);
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe) {
      return null;
    }
    throw error;
  } finally {
    connection.close();
  }
}

async function sendBytes(server: ServeProcess): Promise<string[]> {
  const wrong: string[] = [];
  for (const { reason, bytes, status } of HOSTILE_BYTES) {
    const found = await statusOf(server, bytes);
    // Whoever breaks the protocol may find the line dead; what must not be is a success.
    if (found !== status && found !== null) wrong.push(`${reason}: ${found}, wanted ${status}`);
  }
  return wrong;
}

/** A seeded stream that goes on beside. */
async function neighbour({ url }: ServeProcess): Promise<string> {
  const response = await fetch(new URL("/v1/completions", url), {
    method: "POST",
    body: JSON.stringify({ prompt: "beside", max_tokens: 3000, ignore_eos: true, seed: 3 }),
  });
  const { choices } = await response.json();
  return choices[0].text;
}

/** All hostile requests beside a stream; the stream's text, and what went wrong. */
async function hostilePass(server: ServeProcess): Promise<{ beside: string; wrong: string[] }> {
  const [beside, ...wrong] = await Promise.all([
    neighbour(server),
    sendBodies(server),
    sendBytes(server),
  ]);
  return { beside, wrong: wrong.flat() };
}

Deno.test("200 hostile requests get the right refusal, memory stays flat, a neighbour its text", () =>
  withServer(async (server) => {
    assert(HOSTILE_BODIES.length + HOSTILE_BYTES.length >= CASE_COUNT_MIN);
    const right = { beside: await neighbour(server), wrong: [] };
    // Heaps of the threads that read prompts and generate grow in the first passes.
    for (let pass = 0; pass < 2; pass++) assertEquals(await hostilePass(server), right);
    const before = { rss: await rssBytes(server), device: await deviceBytes(server) };
    let growth = Infinity;
    for (let pass = 0; pass < PASS_COUNT_MAX && growth >= RSS_GROWTH_BYTES_MAX; pass++) {
      assertEquals(await hostilePass(server), right);
      assertEquals(await deviceBytes(server), before.device);
      growth = Math.min(growth, await rssBytes(server) - before.rss);
    }
    assert(growth < RSS_GROWTH_BYTES_MAX, `the server grew by ${growth} bytes`);
  }));
