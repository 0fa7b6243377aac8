/**
 * Jinja's filters by name: `value | name(arguments)`.
 *
 * @module
 */

import { type Arguments, textArgument } from "./arguments.ts";
import { LIST_FILTERS } from "./list_filters.ts";
import { atPath } from "./members.ts";
import { elementsOf, lazyList, truth, type Value } from "./values.ts";
import { type Filter, VALUE_FILTERS } from "./value_filters.ts";

const FILTERS: Readonly<Record<string, Filter>> = { ...LIST_FILTERS, ...VALUE_FILTERS, map };

/**
 * `value | name(args)`.
 *
 * @throws {Error} If Jinja has no such filter.
 */
export function applyFilter(name: string, value: Value, args: Arguments): Value {
  if (!Object.hasOwn(FILTERS, name)) throw new Error(`No filter named '${name}'.`);
  return FILTERS[name](value, args);
}

/** By an attribute of each element, or by another filter. */
function map(value: Value, { positional, named }: Arguments): Value {
  if (!truth(value)) return lazyList([]);
  const attribute = named.get("attribute");
  if (positional.length === 0 && attribute !== undefined) {
    const otherwise = named.get("default");
    return lazyList(
      elementsOf(value).map((each) => {
        const found = atPath(each, attribute);
        return found.type === "UndefinedValue" && otherwise !== undefined ? otherwise : found;
      }),
    );
  }
  const [name, ...rest] = positional;
  const filter = textArgument("map", name);
  const args = { positional: rest, named };
  return lazyList(elementsOf(value).map((each) => applyFilter(filter, each, args)));
}
