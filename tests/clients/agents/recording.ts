/**
 * Requests of coding agents as they are kept: everything that a server reads is as it came, and
 * long prose is replaced by filler of the same length, the same for the same prose.
 */

import { LINE_FORMS } from "../../../server/replay/changing_lines.ts";
import type { SeenRequest } from "./agent_server.ts";

/** A request of a recording. */
export interface RecordedRequest {
  path: string;
  /** Those that say something of the client. */
  headers: Record<string, string>;
  /** Fields that differ from those of the request before. */
  fields: Record<string, unknown>;
  /** Names of fields that do not. */
  same: string[];
  /** Messages that are those of the request before, and stand before the others. */
  keptCount: number;
}

/** What an agent has sent. */
export interface Recording {
  /** Its package and version. */
  source: string;
  requests: RecordedRequest[];
}

/** A request to send. */
export interface ReplayedRequest {
  path: string;
  headers: Record<string, string>;
  body: Record<string, unknown>;
  /** Whether it continues the conversation of one before. */
  isContinued: boolean;
}

type Body = Record<string, unknown>;

const HEADERS =
  /^(?:accept|anthropic-|content-type|user-agent|x-app|openai-|originator|x-codex-beta)/;
const LONG = 60;
const LINE_LENGTH = 90;
/** Lines that are kept: those that change, those that mark them, and short ones. */
const KEPT = [...LINE_FORMS.map(({ pattern }) => pattern), /^<[^>]{1,40}>/];
const CLIENT_TEXT = "We are setting up the context for our chat.";

const WORDS = ("the file of a project is read before it is changed and every tool says what it " +
  "needs so that an agent can ask for more when a command fails with an error in its output")
  .split(" ");

function hashOf(text: string): number {
  let hash = 2166136261;
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0)!, 16777619);
  return hash >>> 0;
}

/** Prose of a length; no two lines of it are equal. */
function filler(length: number, seed: number): string {
  let [text, lineLength, state] = ["", 0, seed];
  while (text.length < length) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const word = lineLength === 0 ? `${state % 9973}` : WORDS[(state >>> 16) % WORDS.length];
    lineLength += word.length + 1;
    text += word + (lineLength > LINE_LENGTH ? "\n" : " ");
    if (lineLength > LINE_LENGTH) lineLength = 0;
  }
  return text.slice(0, length);
}

const MARK = /⟦(\d+):(\d+)⟧/g;

function condense(text: string): string {
  if (text.length < LONG) return text;
  const parts: string[] = [];
  let prose: string[] = [];
  const close = () => {
    const joined = prose.join("\n");
    if (joined !== "") {
      parts.push(joined.length < LONG ? joined : `⟦${joined.length}:${hashOf(joined)}⟧`);
    }
    prose = [];
  };
  for (const line of text.split("\n")) {
    const isKept = line.includes(CLIENT_TEXT) || KEPT.some((form) => form.test(line.trim()));
    if (!isKept) prose.push(line);
    else {
      close();
      parts.push(line);
    }
  }
  close();
  return parts.join("\n");
}

const expand = (text: string) =>
  text.replaceAll(MARK, (_, length, seed) => filler(Number(length), Number(seed)));

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((each) => mapTexts(each, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, mapTexts(each, change)]),
  );
}

/** Messages of a body, under the name that its protocol has. */
const listOf = (body: Body) => "input" in body ? "input" : "messages";
const isEqual = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** Ids that calls of this server have, in the order in which they come first. */
export const CALL_ID = /call_[0-9a-f]{24}/g;

/** Leaves out who and where somebody is: ids become counts, folders fixed names. */
function anonymous(text: string, folders: readonly string[]): string {
  const named = folders.reduce((all, folder, index) => {
    return all.replaceAll(folder, `/${["work", "home"][index]}`);
  }, text);
  const calls = new Map<string, string>();
  return named
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (id) => {
      return `00000000-0000-0000-0000-${String(hashOf(id)).padStart(12, "0")}`;
    })
    .replaceAll(/\b[0-9a-f]{64}\b/g, "0".repeat(64))
    .replaceAll(/\b(rs|msg|fc|resp)_[0-9a-f]{32}\b/g, (_, kind) => `${kind}_${"0".repeat(32)}`)
    .replaceAll(CALL_ID, (id) => {
      const known = calls.get(id) ?? `call_${String(calls.size).padStart(24, "0")}`;
      calls.set(id, known);
      return known;
    });
}

/** Makes a recording of what a server has seen. */
export function record(
  source: string,
  seen: readonly SeenRequest[],
  folders: readonly string[],
): Recording {
  let before: Body = {};
  const requests = seen.filter(({ method, status }) => method === "POST" && status === 200).map(
    ({ path, headers, body: text }): RecordedRequest => {
      const body = mapTexts(JSON.parse(anonymous(text, folders)), condense) as Body;
      const list = listOf(body);
      const [now, then] = [body, before].map((each) => each[list] as unknown[] ?? []);
      const isContinued = then.length > 0 && then.length < now.length && list in before;
      const differsAt = now.findIndex((each, index) => !isEqual(each, then[index]));
      const keptCount = isContinued && differsAt > 0 ? differsAt : 0;
      const entries = Object.entries(body);
      const same = entries.filter(([name, value]) => isEqual(value, before[name]));
      const changed = entries.filter(([name, value]) => !isEqual(value, before[name]));
      if (body.tools) before = body;
      return {
        path,
        headers: Object.fromEntries(Object.entries(headers).filter(([name]) => HEADERS.test(name))),
        fields: { ...Object.fromEntries(changed), [list]: now.slice(keptCount) },
        same: same.map(([name]) => name).filter((name) => name !== list),
        keptCount,
      };
    },
  );
  return { source, requests };
}

/** The requests of a recording, whole. */
export function* replay({ requests }: Recording): Generator<ReplayedRequest> {
  let before: Body = {};
  for (const { path, headers, fields, same, keptCount } of requests) {
    const list = listOf(fields);
    const body: Body = {
      ...Object.fromEntries(same.map((name) => [name, before[name]])),
      ...fields,
      [list]: [
        ...(before[list] as unknown[] ?? []).slice(0, keptCount),
        ...fields[list] as unknown[],
      ],
    };
    if (body.tools) before = body;
    yield { path, headers, body: mapTexts(body, expand) as Body, isContinued: keptCount > 0 };
  }
}
