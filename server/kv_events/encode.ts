/**
 * Events of blocks as vLLM publishes them: a msgpack batch `[seconds, events, rank]`, each event
 * with its tag. Releases of vLLM write arrays in the order of the fields, its newest sources maps
 * of their names; the sources of vLLM's router read maps in an array, llm-d's arrays.
 *
 * @module
 */

import type { BlockEvent } from "../../mod.ts";

/** How a batch is written. */
export const EVENT_FORMS = ["arrays", "maps", "maps-in-array"] as const;

/** One of {@link EVENT_FORMS}. */
export type EventForm = (typeof EVENT_FORMS)[number];

/** What is published: what happened to a block, or that no block is left. */
export type PublishedEvent = BlockEvent | { type: "cleared" };

/** Tokens of a block. */
const BLOCK_SIZE = 64;

/** Numbers of blocks are the first 63 bits of their names, so that readers of i64 and u64 agree. */
export function blockNumber(name: string): bigint {
  return BigInt(`0x${name.slice(0, 16)}`) >> 1n;
}

/**
 * A batch as a value for msgpack, integers of 64 bits as bigints.
 *
 * @param timeSeconds Since 1970.
 */
export function batchOf(
  events: readonly PublishedEvent[],
  { form, timeSeconds }: { form: EventForm; timeSeconds: number },
): unknown {
  const entries = events.map((event) => fieldsOf(event));
  const maps = entries.map((fields) => Object.fromEntries(fields));
  if (form === "maps") return { ts: timeSeconds, events: maps, data_parallel_rank: 0 };
  if (form === "maps-in-array") return [timeSeconds, maps, 0];
  return [timeSeconds, entries.map((fields) => fields.map(([, value]) => value)), 0];
}

/** Name and value of each field, the tag first. */
function fieldsOf(event: PublishedEvent): [name: string, value: unknown][] {
  if (event.type === "cleared") return [["type", "AllBlocksCleared"]];
  const hashes = [blockNumber(event.name)];
  if (event.type === "removed") {
    return [["type", "BlockRemoved"], ["block_hashes", hashes], ["medium", event.medium]];
  }
  const { parentName, tokenIds, medium } = event;
  return [
    ["type", "BlockStored"],
    ["block_hashes", hashes],
    ["parent_block_hash", parentName === null ? null : blockNumber(parentName)],
    ["token_ids", tokenIds],
    ["block_size", BLOCK_SIZE],
    ["lora_id", null],
    ["medium", medium],
    ["lora_name", null],
  ];
}
