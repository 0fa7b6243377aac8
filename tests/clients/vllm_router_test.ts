/** vLLM's own router, with the file of `server/deploy/routers/`, over real replicas. */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { type LogLine, type Replica, startReplica } from "../../bench/serving/routers/replica.ts";
import { withRouter } from "../../bench/serving/routers/router.ts";
import { freePorts } from "../support/free_ports.ts";
import { withTinyModel } from "../support/tiny_engine.ts";
import { eventually } from "../support/waiting.ts";
import { hasVllmRouter, PYTHON_FOLDER } from "./python_packages.ts";

const PROGRAM = new URL("./run_vllm_router.py", import.meta.url).pathname;
const PROMPT_COUNT = 4;

/** Asks a server or router; cached tokens of the answer. */
async function ask(url: string, prompt: string): Promise<number> {
  const messages = [{ role: "user", content: prompt }];
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model: "local", messages, max_tokens: 1 }),
  });
  const answer = await response.json();
  assertEquals(response.status, 200, JSON.stringify(answer));
  return answer.usage.prompt_tokens_details.cached_tokens;
}

/** Runs `body` with two replicas of a tiny model that publish what the router reads. */
async function withReplicas(
  onLine: (replica: number, line: LogLine) => void,
  body: (replicas: readonly Replica[]) => Promise<void>,
): Promise<void> {
  await withTinyModel({ contextLength: 1024 }, async (modelPath) => {
    const ports = freePorts(6);
    const starting = [0, 1].map((replica) => {
      const [http, events, replay] = ports.slice(3 * replica);
      const publish = ["--kv-events", `tcp://*:${events}`, "--kv-events-form", "maps-in-array"];
      const missed = ["--kv-events-replay", `tcp://127.0.0.1:${replay}`];
      const model = ["--model", modelPath, "--model-name", "local", "--profile", "paper"];
      const flags = [...model, "--chat-template", "chatml", ...publish, ...missed];
      return startReplica({ http, events, replay }, flags, (line) => onLine(replica, line));
    });
    const replicas = await Promise.all(starting);
    try {
      await body(replicas);
    } finally {
      for (const { kill, ended } of replicas) {
        try {
          kill("SIGKILL");
        } catch {
          // The test ended it.
        }
        await ended;
      }
    }
  });
}

/** A folder with the router's program, for PATH. */
async function withProgram(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "packkv-program-" });
  try {
    const script = `#!/bin/sh\nexec python3 ${PROGRAM} "$@"\n`;
    await Deno.writeTextFile(`${folder}/vllm-router`, script, { mode: 0o755 });
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("vLLM's router asks the replica that says it has a prompt, and another one once that is killed", async () => {
  if (!await hasVllmRouter()) return;
  const answered: number[] = [];
  const onLine = (replica: number, { prompt_tokens, status }: LogLine) => {
    if (prompt_tokens > 0 && status === 200) answered.push(replica);
  };
  await withProgram((folder) =>
    withReplicas(onLine, async (replicas) => {
      const [port, metricsPort] = freePorts(2);
      const PATH = `${folder}:${Deno.env.get("PATH")}`;
      const env = { PATH, PYTHONPATH: PYTHON_FOLDER, PYTHONDONTWRITEBYTECODE: "1" };
      const addresses = { replicas: replicas.map(({ ports }) => ports), port, metricsPort, env };
      await withRouter("vllm-kv-aware.sh", addresses, async (url) => {
        // Read by replicas that the router did not choose: only events say where.
        const prompts = Array.from({ length: PROMPT_COUNT }, (_, i) => `${i}`.repeat(400));
        for (const [index, prompt] of prompts.entries()) {
          await ask(`http://127.0.0.1:${replicas[index % 2].ports.http}`, prompt);
        }
        await eventually(() => Promise.resolve(answered.length === PROMPT_COUNT));
        const readers = answered.splice(0);
        for (const prompt of prompts) assertGreater(await ask(url, prompt), 0, prompt);
        await eventually(() => Promise.resolve(answered.length === PROMPT_COUNT));
        assertEquals(answered, readers);
        const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
        const hits = /^vllm_router_kv_placement_lookups_total\{result="hit"\} (\d+)$/m;
        assertEquals(Number(hits.exec(metrics)?.[1]), PROMPT_COUNT, metrics);

        replicas[0].kill("SIGKILL");
        await replicas[0].ended;
        for (const prompt of prompts) await ask(url, prompt);
        await eventually(() => Promise.resolve(answered.length === 2 * PROMPT_COUNT));
        assert(answered.slice(PROMPT_COUNT).every((replica) => replica === 1), String(answered));
      });
    })
  );
});
