/**
 * Where the references of a JSON schema lead: pointers, anchors and ids, inside one document.
 *
 * @module
 */

type Schema = Record<string, unknown>;

/** Ids are resolved against it, so that a document needs none. */
const BASE = "schema://document/";

/** A value that is an object and no list. */
export function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function resolve(reference: string, base: string): string | null {
  return URL.parse(reference, base)?.href ?? null;
}

/** All schemas of a document that can be referred to. */
export class References {
  /** By absolute address: of resources without a fragment, of anchors with one. */
  readonly #targets = new Map<string, unknown>();
  /** Address of the resource each object is in. */
  readonly #bases = new WeakMap<object, string>();

  constructor(document: unknown) {
    this.#targets.set(BASE, document);
    this.#read(document, BASE);
  }

  /**
   * The schema a reference means.
   *
   * @param from The schema that holds the reference.
   * @returns Undefined if there is none in the document.
   */
  find(reference: string, from: object): unknown {
    const address = resolve(reference, this.#bases.get(from) ?? BASE);
    if (address === null) return undefined;
    const at = address.indexOf("#");
    const resource = at < 0 ? address : address.slice(0, at);
    const fragment = at < 0 ? "" : address.slice(at + 1);
    if (fragment === "") return this.#targets.get(resource);
    if (!fragment.startsWith("/")) return this.#targets.get(`${resource}#${fragment}`);
    return follow(this.#targets.get(resource), fragment);
  }

  #read(value: unknown, base: string): void {
    if (Array.isArray(value)) return value.forEach((item) => this.#read(item, base));
    if (!isObject(value)) return;
    const id = value.$id ?? value.id;
    // Before 2019 an id that is only a fragment is an anchor.
    const address = typeof id === "string" ? resolve(id, base) : null;
    let own = base;
    if (address?.includes("#")) this.#targets.set(address.replace(/#$/, ""), value);
    else if (address !== null) this.#targets.set(own = address, value);
    if (typeof value.$anchor === "string") this.#targets.set(`${own}#${value.$anchor}`, value);
    this.#bases.set(value, own);
    for (const item of Object.values(value)) this.#read(item, own);
  }
}

/** What a JSON pointer, as it stands in a fragment, leads to. */
function follow(document: unknown, fragment: string): unknown {
  let pointer: string;
  try {
    pointer = decodeURIComponent(fragment);
  } catch {
    return undefined;
  }
  let at = document;
  for (const part of pointer.slice(1).split("/")) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Schema)[name];
  }
  return at;
}
