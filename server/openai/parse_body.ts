/**
 * From the bytes of a request to a checked value, and from a fault in it to a 400 that names the
 * field.
 *
 * @module
 */

import type { z } from "zod";
import { ApiError } from "./errors.ts";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** A field's place as clients write it: `messages[0].content`; null for the body itself. */
export function formatPath(path: Path): string | null {
  const text = path.map((key) => typeof key === "number" ? `[${key}]` : `.${String(key)}`).join("");
  return text === "" ? null : text.replace(/^\./, "");
}

function valueAt(body: unknown, path: Path): unknown {
  let value = body;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  return value;
}

/** Whether a check that stopped at `path` read more than one that stopped at `other`. */
function isFurther(path: Path, other: Path): boolean {
  const at = path.findIndex((key, depth) => key !== other[depth]);
  if (at < 0 || at >= other.length) return path.length > other.length;
  const [key, otherKey] = [path[at], other[at]];
  return typeof key === "number" && typeof otherKey === "number" && key > otherKey;
}

/** Of a union's branches, the one that got furthest provides the error. */
function narrow(issue: Issue): { path: PropertyKey[]; message: string; code: string } {
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return issue as never;
  const branches = issue.errors.map((errors) => narrow(errors[0]));
  const isType = (branch: { path: Path; code: string }) =>
    branch.code === "invalid_type" && branch.path.length === 0;
  const deeper = branches.filter((branch) => !isType(branch));
  if (deeper.length === 0) {
    const expected = issue.errors.map((errors) => (errors[0] as { expected?: string }).expected);
    const message = `expected ${[...new Set(expected)].join(" or ")}`;
    return { path: issue.path, message, code: "invalid_type" };
  }
  // A branch that says it is of another type did not get anywhere.
  const isOther = ({ path }: { path: Path }) => path.length === 1 && path[0] === "type";
  const own = deeper.filter((branch) => !isOther(branch));
  const best = (own.length > 0 ? own : deeper).reduce((a, b) => isFurther(b.path, a.path) ? b : a);
  return { path: [...issue.path, ...best.path], message: best.message, code: best.code };
}

function toApiError(issue: Issue, body: unknown): ApiError {
  const { path, message, code } = narrow(issue);
  const param = formatPath(path);
  const subject = param ?? "the request";
  if (valueAt(body, path) === undefined && path.length > 0) {
    const options = { param, code: "missing_required_parameter" };
    return new ApiError(400, `Cannot accept the request: ${subject} is missing`, options);
  }
  const text = message.replace(/^Invalid input: /, "").replace(/^./, (head) => head.toLowerCase());
  return new ApiError(400, `Cannot accept ${subject}: ${text}`, {
    param,
    code: code === "invalid_type" ? "invalid_type" : "invalid_value",
  });
}

/**
 * Checks a body against a schema; fields that the schema does not name are left out.
 *
 * @throws {ApiError} 400 with `param` set to the first field at fault.
 */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw toApiError(result.error.issues[0], body);
}

/**
 * Reads a request's body as JSON.
 *
 * @throws {ApiError} 400 if it is not UTF-8 or not JSON.
 */
export async function readJson(
  request: { arrayBuffer(): Promise<ArrayBuffer> },
): Promise<unknown> {
  const bytes = await request.arrayBuffer();
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const options = { code: "invalid_encoding" };
    throw new ApiError(400, "Cannot read the body: it is not UTF-8", options);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const state = error instanceof Error ? error.message : String(error);
    throw new ApiError(400, `Cannot read the body as JSON: ${state}`, { code: "invalid_json" });
  }
}
