/**
 * Checks before a schema, which comes from a client, goes to a worker.
 *
 * @module
 */

import { SchemaRefusal } from "./refusal.ts";
import type { GrammarSpec } from "./types.ts";

/** Most characters of a schema. */
const LENGTH_MAX = 65_536;

/** The schema of any object. */
export const ANY_OBJECT = JSON.stringify({ type: "object" });

/** @throws {SchemaRefusal} If a schema is too long. */
export function checkLength(schema: string, name?: string): void {
  if (schema.length <= LENGTH_MAX) return;
  throw new SchemaRefusal({ at: "", state: `it is longer than ${LENGTH_MAX} characters` }, name);
}

/**
 * The same with any object in place of what is too long and need not be followed exactly.
 *
 * @throws {SchemaRefusal} If a strict schema is too long.
 */
export function bounded(spec: GrammarSpec): GrammarSpec {
  const schemaOf = (part: { schema: string; isStrict?: boolean; name?: string }) => {
    const isLong = part.isStrict === false && part.schema.length > LENGTH_MAX;
    if (!isLong) checkLength(part.schema, part.name);
    return { schema: isLong ? ANY_OBJECT : part.schema };
  };
  if (spec.type === "json_schema") return { ...spec, ...schemaOf(spec) };
  const tags = spec.tags.map((tag) => ({ ...tag, ...schemaOf(tag) }));
  if (spec.type === "messages") return { ...spec, tags };
  const { otherwise } = spec;
  return {
    ...spec,
    tags,
    ...(otherwise && { otherwise: { ...otherwise, ...schemaOf(otherwise) } }),
  };
}

/** The same with any object in place of schemas that are not strict; null if there are none. */
export function widened(spec: GrammarSpec): GrammarSpec | null {
  const schema = ANY_OBJECT;
  if (spec.type === "json_schema") return spec.isStrict === false ? { ...spec, schema } : null;
  if (spec.tags.every(({ isStrict }) => isStrict !== false)) return null;
  const tags = spec.tags.map((tag) => tag.isStrict === false ? { ...tag, schema } : tag);
  return { ...spec, tags };
}
