/** Events of blocks from a real server, read by ZeroMQ's own library and the decoder of routers. */

import { assert, assertEquals } from "@std/assert";
import { freePorts } from "../support/free_ports.ts";
import { startServe } from "../support/serve_process.ts";
import { withTinyModel } from "../support/tiny_engine.ts";
import { hasPythonPackages, PYTHON_FOLDER } from "./python_packages.ts";

const PROGRAM = new URL("./kv_events_subscriber.py", import.meta.url).pathname;
const PROMPT = "a".repeat(400);
/** Batches that are taken as they come. */
const LIVE_COUNT = 4;

/** Kind, sequence number, and events with their tags first. */
type Line = [kind: string, sequence: number, events: [string, ...unknown[]][]];

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Line> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (text + chunk).split("\n");
    text = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}

Deno.test("a server's events reach subscribers as they come, and again when they ask", async () => {
  if (!await hasPythonPackages()) return;
  const [port, replayPort] = freePorts(2);
  await withTinyModel({ contextLength: 1024 }, async (modelPath) => {
    const flags = ["--model", modelPath, "--profile", "paper", "--model-name", "tiny"];
    const server = await startServe([
      ...flags,
      "--kv-events",
      `tcp://*:${port}`,
      "--kv-events-replay",
      `tcp://127.0.0.1:${replayPort}`,
      "--kv-events-topic",
      "kv@pod-1@tiny",
    ]);
    const [endpoint, replay] = [port, replayPort].map((each) => `tcp://127.0.0.1:${each}`);
    const child = new Deno.Command("python3", {
      args: [PROGRAM, endpoint, replay, String(LIVE_COUNT)],
      env: { PYTHONPATH: PYTHON_FOLDER, PYTHONDONTWRITEBYTECODE: "1" },
      stdout: "piped",
    }).spawn();
    const lines: Line[] = [];
    let asking: ReturnType<typeof setInterval> | undefined;
    let promptCount = 0;
    const ask = async () => {
      // Another prompt each time: one that the cache has changes nothing in it.
      const prompt = `${promptCount++}${PROMPT}`;
      const body = JSON.stringify({ prompt, max_tokens: 1 });
      await (await fetch(new URL("/v1/completions", server.url), { method: "POST", body })).text();
    };
    try {
      for await (const line of linesOf(child.stdout)) {
        if (line[0] === "ready") asking = setInterval(ask, 300);
        else lines.push(line);
      }
    } finally {
      clearInterval(asking);
      await child.status;
      assertEquals(await server.end("SIGINT"), 0);
    }
    const live = lines.filter(([kind]) => kind === "kv@pod-1@tiny");
    assertEquals(live.length, LIVE_COUNT);
    const replayed = lines.filter(([kind]) => kind === "replay");
    assertEquals(replayed[0], ["replay", 0, [["AllBlocksCleared"]]]);
    for (const [, sequence, events] of live) {
      assertEquals(replayed.find((each) => each[1] === sequence)?.[2], events);
    }
    const stored = replayed.flatMap(([, , events]) => events).filter(([tag]) =>
      tag === "BlockStored"
    );
    const [, hashes, parent, tokenIds, blockSize, , medium] = stored[0];
    assertEquals([blockSize, medium, parent], [64, "gpu", null]);
    assertEquals([(hashes as number[]).length, (tokenIds as number[]).length], [1, 64]);
    assert(stored.some(([, , before]) => before !== null), "later blocks name the one before");
  });
});
