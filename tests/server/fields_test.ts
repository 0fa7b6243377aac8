/**
 * No known field of a request is silently without effect: over a socket, each changes what the
 * engine is asked or what is answered, or is refused or warned of by its name.
 */

import { assertEquals } from "@std/assert";
import type { GenerateRequest } from "../../src/engine/types.ts";
import { FAKE_CONTROL_ID, FAKE_EOS_ID, FAKE_TOKENIZER, tokensOf } from "../support/fake_engine.ts";
import type { harness } from "./harness.ts";
import { KNOWN_ENDPOINTS } from "./known_fields.ts";
import { NOTES } from "./known_notes.ts";
import { type Post, withFakeServer } from "./socket_servers.ts";

const OPTIONS = {
  info: { contextLength: 4000 },
  model: { tokenizer: { ...FAKE_TOKENIZER, addBos: true, bosId: FAKE_EOS_ID } },
};
const SCRIPT = () => [...tokensOf("o"), FAKE_CONTROL_ID, { prefilledCount: 1 }, ...tokensOf("k!")];

type Engine = ReturnType<typeof harness>["engine"];
type Fields = Readonly<Record<string, unknown>>;

/** What became of a request. */
interface Outcome {
  status: number;
  param: string | null;
  /** What the engine was asked. */
  asked: string;
  /** What came back, without what differs from run to run. */
  answer: string;
}

/** An outcome without the field itself, which answers of /v1/responses repeat. */
function withoutEcho(outcome: Outcome, name: string): Outcome {
  const echo = new RegExp(`"${name}":(\\{[^{}]*\\}|"[^"]*"|[^,{}]+)`, "g");
  return { ...outcome, answer: outcome.answer.replaceAll(echo, `"${name}":null`) };
}

function isSame(a: Outcome, b: Outcome): boolean {
  return a.asked === b.asked && a.answer === b.answer;
}

/** Runs `body` with what asks the server and sees what becomes of it. */
async function withAsker(
  body: (ask: (path: string, fields: Fields) => Promise<Outcome>) => Promise<void>,
): Promise<void> {
  await withFakeServer(SCRIPT, (context) => {
    return body((path, fields) => outcomeOf(context, path, fields));
  }, OPTIONS);
}

async function outcomeOf(
  { post, engine }: { post: Post; engine: Engine },
  path: string,
  fields: Fields,
): Promise<Outcome> {
  engine.requests.length = 0;
  const response = await post(path, fields);
  const text = await response.text();
  const error = response.ok ? null : JSON.parse(text).error;
  const asked = engine.requests.map(({ signal: _, ...request }: GenerateRequest) => request);
  const answer = text
    .replaceAll(/[0-9a-f]{32}/g, "X")
    .replaceAll(/"timings":\{[^}]*\}/g, '"timings":{}')
    .replaceAll(/"(created|created_at|completed_at|time_ms)":[\d.]+/g, '"$1":0');
  return {
    status: response.status,
    // Anthropic's errors have no param.
    param: error?.param ?? /^Cannot (?:honour|accept) ([^:]+):/.exec(error?.message)?.[1] ?? null,
    // Without a seed of the caller's each request has another.
    asked: JSON.stringify(asked).replaceAll(/"seed":\d+/g, "seed" in fields ? "$&" : '"seed":0'),
    answer: answer + (response.headers.get("X-PackKV-Warning") ?? ""),
  };
}

/** Whether a refusal names the field, or a part of it. */
function names(param: string | null, name: string): boolean {
  return param === name || (param?.startsWith(`${name}.`) ?? false) ||
    (param?.startsWith(`${name}[`) ?? false);
}

for (const { path, base, fields } of KNOWN_ENDPOINTS) {
  const what = `${path} ${Object.keys(base)[0]}`;

  Deno.test(`every known field of ${what} has an effect or is refused by name`, () =>
    withAsker(async (ask) => {
      const wrong: string[] = [];
      for (const { name, value, beside = {} } of fields) {
        const without = await ask(path, { ...base, ...beside });
        const outcome = await ask(path, { ...base, ...beside, [name]: value });
        const shown = `${name}: ${JSON.stringify(value)}`;
        const isRefused = outcome.status === (name === "model" ? 404 : 400);
        if (isRefused && !names(outcome.param, name)) {
          // Beside another refused field either may be named.
          if (!(without.status === 400 && Object.keys(beside).includes(outcome.param ?? ""))) {
            wrong.push(`${shown} is refused as ${outcome.param}`);
          }
        } else if (!isRefused && outcome.status !== 200) wrong.push(`${shown}: ${outcome.status}`);
        else if (!isRefused && isSame(withoutEcho(outcome, name), withoutEcho(without, name))) {
          wrong.push(`${shown} is ignored`);
        }
      }
      assertEquals(wrong, []);
    }));

  Deno.test(`a field of ${what} that asks for nothing changes nothing`, () =>
    withAsker(async (ask) => {
      const wrong: string[] = [];
      for (const { name, neutral, beside = {} } of fields) {
        if (neutral === undefined) continue;
        const without = await ask(path, { ...base, ...beside });
        if (without.status !== 200) continue;
        for (const value of [neutral, null]) {
          const outcome = await ask(path, { ...base, ...beside, [name]: value });
          const isAsBefore = isSame(withoutEcho(outcome, name), withoutEcho(without, name));
          if (outcome.status === 200 && isAsBefore) continue;
          const { status, asked, answer } = outcome;
          wrong.push(`${name}: ${JSON.stringify(value)}: ${status} ${asked} ${answer}`);
        }
      }
      assertEquals(wrong, []);
    }));
}

Deno.test("notes of the caller pass, and so does what nobody knows", () =>
  withAsker(async (ask) => {
    for (const { name, value, paths } of NOTES) {
      for (const path of paths) {
        const { base } = KNOWN_ENDPOINTS.find((endpoint) => endpoint.path === path)!;
        const [noted, without] = [
          await ask(path, { ...base, [name]: value }),
          await ask(path, base),
        ];
        assertEquals(withoutEcho(noted, name), withoutEcho(without, name));
      }
    }
  }));
