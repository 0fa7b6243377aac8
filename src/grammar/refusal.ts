/** What of a schema a grammar cannot hold. */
export interface Weakening {
  /** JSON pointer into the schema. */
  at: string;
  state: string;
}

/** A schema that cannot be followed exactly. */
export class SchemaRefusal extends Error {
  readonly weakening: Weakening;

  /** @param name Of what the schema is, if there is more than one. */
  constructor(weakening: Weakening, name?: string) {
    const of = name === undefined ? "" : ` of ${name}`;
    super(`Cannot follow the schema${of} at ${weakening.at || "/"}: ${weakening.state}`);
    this.weakening = weakening;
  }
}
