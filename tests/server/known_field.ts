/** What is known of a field that requests may have. */

/** One field of one endpoint. */
export interface KnownField {
  name: string;
  /** Asks for something. */
  value: unknown;
  /** Asks for nothing; left out if every value asks for something. */
  neutral?: unknown;
  /** Fields without which `value` means nothing. */
  beside?: Readonly<Record<string, unknown>>;
}

export const field = (
  name: string,
  value: unknown,
  neutral?: unknown,
  beside?: KnownField["beside"],
): KnownField => ({
  name,
  value,
  ...(neutral === undefined ? {} : { neutral }),
  ...(beside === undefined ? {} : { beside }),
});

/** An endpoint with the fields it may be sent. */
export interface KnownEndpoint {
  path: string;
  base: Readonly<Record<string, unknown>>;
  fields: readonly KnownField[];
}

/** A schema for answers. */
export const SCHEMA = { type: "object", properties: { a: { type: "null" } } };
