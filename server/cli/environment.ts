/**
 * Settings from the environment: `PACKKV_PORT` for `--port`.
 *
 * @module
 */

import type { FlagSpecs, Setting } from "./flags.ts";
import { nearest } from "./nearest.ts";
import { UsageError } from "./usage_error.ts";

const PREFIX = "PACKKV_";
/** Variables that are no flags: of the script, of `--config`, of tests. */
const OTHER_VARIABLES = ["PACKKV_CONFIG", "PACKKV_DENO", "PACKKV_TEST_BROWSER"];
const GUESSED_LENGTH_MIN = 4;
/**
 * Kubernetes sets variables for each service, here one whose name begins with `packkv`:
 * `PACKKV_SERVICE_HOST`, `PACKKV_SERVICE_PORT_HTTP`, `PACKKV_PORT_8000_TCP_ADDR`, `PACKKV_PORT`.
 */
const SERVICE_VARIABLE = /_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT_\d+_(TCP|UDP|SCTP)(_|$)/;
const SERVICE_ADDRESS = /^(tcp|udp|sctp):\/\//;

/** Settings of the environment, by flag; null says no to a flag without a value. */
export interface EnvironmentSettings {
  settings: Map<string, Setting | null>;
  /** Variables that were ignored although they have the name of a setting, a line each. */
  notes: string[];
}

/** The variable that stands for a flag: `PACKKV_API_KEY` for `api-key`. */
export function variableOf(flag: string): string {
  return PREFIX + flag.toUpperCase().replaceAll("-", "_");
}

/**
 * Reads the variables of a command's flags; an empty one counts as not set.
 *
 * @param environment All variables, such as `Deno.env.toObject()`.
 * @param specs Flags of the command.
 * @param known Flags of all commands: their variables may be set without meaning this one.
 * @throws {UsageError} If a variable looks like a misspelt one, or a switch is no true or false.
 */
export function readEnvironment(
  environment: Readonly<Record<string, string>>,
  { specs, known }: { specs: FlagSpecs; known: Iterable<string> },
): EnvironmentSettings {
  const own = Object.keys(environment).filter((name) => !isOfService(name, environment[name]));
  checkSpelling(own, [...known].map(variableOf));
  const settings = new Map<string, Setting | null>();
  const notes: string[] = [];
  for (const [flag, { value: placeholder }] of Object.entries(specs)) {
    const variable = variableOf(flag);
    const text = environment[variable];
    if (text === undefined || text === "") continue;
    if (isOfService(variable, text)) {
      notes.push(`passing over ${variable}=${text}: Kubernetes's address of a service, no setting`);
      continue;
    }
    const label = `${variable}=${flag === "api-key" ? "…" : text}`;
    if (placeholder !== undefined) settings.set(flag, { value: text, label });
    else settings.set(flag, readSwitch(text, label) ? { value: true, label } : null);
  }
  return { settings, notes };
}

function isOfService(name: string, text: string): boolean {
  if (!name.startsWith(PREFIX)) return false;
  return SERVICE_VARIABLE.test(name) || (name.endsWith("_PORT") && SERVICE_ADDRESS.test(text));
}

/** Reads a switch, such as `PACKKV_INSECURE=true`. */
function readSwitch(text: string, label: string): boolean {
  if (text === "true" || text === "1") return true;
  if (text === "false" || text === "0") return false;
  throw new UsageError(`Cannot use ${label}: must be true or false`);
}

function checkSpelling(names: readonly string[], variables: readonly string[]): void {
  const known = new Set([...variables, ...OTHER_VARIABLES]);
  for (const name of names) {
    if (!name.startsWith(PREFIX) || known.has(name)) continue;
    const word = name.slice(PREFIX.length);
    if (word.length < GUESSED_LENGTH_MIN) continue;
    const guess = nearest(word, [...known].map((each) => each.slice(PREFIX.length)));
    if (guess === null) continue;
    throw new UsageError(
      `Cannot understand the variable ${name}: no such setting; did you mean ${PREFIX}${guess}?`,
    );
  }
}
