/**
 * Sessions through a router that others have written: 20 of 10 turns over three replicas of a
 * seeded model, of which one is killed and one is drained on the way. Prints which requests were
 * lost, whether sessions stayed, and how much of the prompts was cached.
 *
 *     deno run -A bench/serving/routers_bench.ts nginx.conf haproxy.cfg
 *
 * Routers are run with the files of `server/deploy/routers/`; their programs must be on the PATH.
 * `--store` gives the replicas a Valkey or Redis store, `--sessions N` makes it smaller.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import OpenAI from "openai";
import { freePorts } from "../../tests/support/free_ports.ts";
import { withStore } from "../../tests/support/store_process.ts";
import { withTinyModel } from "../../tests/support/tiny_engine.ts";
import { type LogLine, type Replica, startReplica } from "./routers/replica.ts";
import { ROUTERS, sessionHeader, withRouter } from "./routers/router.ts";

const TURN_COUNT = 10;
const REPLICA_COUNT = 3;
/** Sessions that ask at a time. */
const CONCURRENCY = 8;
/** Of a router that answers nobody without one. */
const KEY = `sk-${crypto.randomUUID()}`;

interface Run {
  /** Attempts, by their status; `error` for a broken connection. */
  attempts: Map<string, number>;
  lost: string[];
  /** What replicas answered, in order. */
  lines: (LogLine & { replica: number; phase: number })[];
  doneCount: number;
  phase: number;
}

const text = (seed: string, length: number) =>
  Array.from({ length }, (_, index) => `${seed}:${index};`).join("").slice(0, length);

function messagesOf(session: number, turn: number) {
  const messages = [{ role: "system" as const, content: text(`system ${session}`, 250) }];
  const past = Array.from({ length: turn }, (_, index) => [
    { role: "user" as const, content: text(`question ${session} ${index}`, 50) },
    { role: "assistant" as const, content: text(`answer ${session} ${index}`, 50) },
  ]);
  const question = { role: "user" as const, content: text(`question ${session} ${turn}`, 50) };
  return [...messages, ...past.flat(), question];
}

/** One client for all sessions, which counts what its library tries. */
function clientOf(url: string, run: Run): OpenAI {
  const count = (name: string) => run.attempts.set(name, (run.attempts.get(name) ?? 0) + 1);
  const counting: typeof fetch = async (...request) => {
    try {
      const response = await fetch(...request);
      count(String(response.status));
      return response;
    } catch (error) {
      count("error");
      throw error;
    }
  };
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: KEY, fetch: counting });
}

/** All sessions take a turn, some at a time, then the next one. */
async function converse(
  { client, run, header, sessionCount, next }: {
    client: OpenAI;
    run: Run;
    header: string;
    sessionCount: number;
    next: () => void;
  },
): Promise<void> {
  for (let turn = 0; turn < TURN_COUNT; turn++) {
    const waiting = Array.from({ length: sessionCount }, (_, session) => session);
    const lane = async () => {
      for (let session = waiting.shift(); session !== undefined; session = waiting.shift()) {
        const headers = { [header]: `session-${session}`, "X-Session-Id": `session-${session}` };
        const body = { model: "local", max_tokens: 4, temperature: 0 };
        try {
          const messages = messagesOf(session, turn);
          await client.chat.completions.create({ ...body, messages }, { headers });
        } catch (error) {
          run.lost.push(`session ${session}, turn ${turn}: ${(error as Error).message}`);
        }
        run.doneCount++;
        next();
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, lane));
  }
}

function summary(router: string, run: Run, seconds: number) {
  const answered = run.lines.filter(({ status }) => status === 200);
  const rateOf = (lines: typeof answered) => {
    const sum = (of: (line: LogLine) => number) =>
      lines.reduce((total, line) => total + of(line), 0);
    return Number(
      (sum((line) => line.cached_tokens) / sum((line) => line.prompt_tokens)).toFixed(3),
    );
  };
  const places = new Map<string, number>();
  const movedIn = [0, 0, 0];
  for (const { session = "", replica, phase } of answered) {
    if ((places.get(session) ?? replica) !== replica) movedIn[phase]++;
    places.set(session, replica);
  }
  const phases = [0, 1, 2].map((phase) => answered.filter((line) => line.phase === phase));
  return {
    router,
    attempts: Object.fromEntries(run.attempts),
    lost: run.lost,
    requestsOfReplicas: Array.from(
      { length: REPLICA_COUNT },
      (_, replica) => answered.filter((line) => line.replica === replica).length,
    ),
    // While there are all replicas, two and one; null of a router that keeps the header to itself.
    movesOfSessions: answered.every(({ session }) => session !== undefined) ? movedIn : null,
    hitRates: phases.map(rateOf),
    hitRate: rateOf(answered),
    seconds: Math.round(seconds),
  };
}

async function measure(router: string, modelPath: string, options: Options) {
  const run: Run = { attempts: new Map(), lost: [], lines: [], doneCount: 0, phase: 0 };
  const ports = freePorts(3 * REPLICA_COUNT + 2);
  const replicas: Replica[] = await Promise.all(
    Array.from({ length: REPLICA_COUNT }, (_, replica) => {
      const [http, events, replay] = ports.slice(3 * replica, 3 * replica + 3);
      const eventFlags = ["--kv-events", `tcp://*:${events}`];
      const replayFlags = ["--kv-events-replay", `tcp://*:${replay}`];
      const flags = ["--model", modelPath, "--model-name", "local", "--profile", "paper"];
      const memory = ["--kv-memory", "64", "--kv-events-form", "maps-in-array"];
      const all = [...flags, ...memory, "--chat-template", "chatml", ...eventFlags, ...replayFlags];
      return startReplica({ http, events, replay }, [...all, ...options.flags], (line) => {
        if (line.prompt_tokens > 0) run.lines.push({ ...line, replica, phase: run.phase });
      });
    }),
  );
  const total = options.sessionCount * TURN_COUNT;
  const next = () => {
    if (run.doneCount === Math.floor(total / 3)) {
      run.phase = 1;
      replicas[0].kill("SIGKILL");
    } else if (run.doneCount === Math.floor(2 * total / 3)) {
      run.phase = 2;
      replicas[1].kill("SIGTERM");
    }
  };
  try {
    const [port, metricsPort] = ports.slice(-2);
    const env = { LITELLM_MASTER_KEY: KEY, LITELLM_LOCAL_MODEL_COST_MAP: "True" };
    const addresses = { replicas: replicas.map((each) => each.ports), port, metricsPort, env };
    await withRouter(router, addresses, async (url) => {
      const startMs = performance.now();
      const client = clientOf(url, run);
      const { sessionCount } = options;
      await converse({ client, run, header: sessionHeader(router), sessionCount, next });
      const seconds = (performance.now() - startMs) / 1000;
      console.log(JSON.stringify(summary(router, run, seconds)));
    });
  } finally {
    for (const replica of replicas) {
      try {
        replica.kill("SIGKILL");
      } catch {
        // It was killed, or has ended.
      }
      await replica.ended;
    }
  }
}

interface Options {
  sessionCount: number;
  flags: readonly string[];
}

const { _: names, store, sessions } = parseArgs(Deno.args, {
  boolean: ["store"],
  string: ["sessions"],
});
const sessionCount = Number(sessions ?? 20);
await withTinyModel({ contextLength: 2048 }, async (modelPath) => {
  for (const name of names.length > 0 ? names.map(String) : ROUTERS) {
    if (!ROUTERS.includes(name)) throw new Error(`No router ${name}: there are ${ROUTERS}`);
    if (!store) await measure(name, modelPath, { sessionCount, flags: [] });
    else {
      await withStore(({ url }) =>
        measure(name, modelPath, { sessionCount, flags: ["--kv-store", url] })
      );
    }
  }
});
