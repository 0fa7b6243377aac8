/**
 * Functions in namespaces: the model knows each by one name, clients by two.
 *
 * @module
 */

/** The name of a function for the client. */
export interface PlacedName {
  namespace: string;
  name: string;
}

/** The one name of a function in a namespace, as clients of MCP write it: `files__read`. */
export function joinedName(namespace: string | null | undefined, name: string): string {
  if (!namespace) return name;
  return namespace.endsWith("__") ? namespace + name : `${namespace}__${name}`;
}

/** Fields of a call that say which function it is of. */
export function nameFields(
  name: string,
  places: ReadonlyMap<string, PlacedName>,
): { name: string; namespace?: string } {
  return places.get(name) ?? { name };
}
