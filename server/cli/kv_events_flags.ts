/**
 * The flags that say where events of blocks are published.
 *
 * @module
 */

import { EVENT_FORMS, type EventForm } from "../kv_events/encode.ts";
import { type Endpoint, parseEndpoint } from "../kv_events/endpoint.ts";
import type { Flags, FlagSpecs } from "./flags.ts";
import { UsageError } from "./usage_error.ts";

/** Flags of {@link readKvEventsFlags}. */
export const KV_EVENTS_FLAGS: FlagSpecs = {
  "kv-events": {
    value: "ADDRESS",
    help: "publish events of cached blocks over ZeroMQ, such as tcp://*:5557",
  },
  "kv-events-replay": {
    value: "ADDRESS",
    help: "where missed events are asked for, such as tcp://*:5558",
  },
  "kv-events-topic": {
    value: "TEXT",
    help:
      "topic of the events (default: kv@NAME OF THIS MACHINE:PORT@MODEL; of maps-in-array none)",
  },
  "kv-events-form": {
    value: "FORM",
    choices: EVENT_FORMS,
    help: "how events are written, by what the router reads (default: arrays)",
  },
};

/** Where and how to publish. */
export interface KvEventsRequest {
  endpoint: Endpoint;
  replay: Endpoint | null;
  /** Null: {@link defaultTopic}. */
  topic: string | null;
  form: EventForm;
}

/**
 * Reads the flags of events; null if none are to be published.
 *
 * @throws {UsageError} If an address is none.
 */
export function readKvEventsFlags(flags: Flags): KvEventsRequest | null {
  const endpoint = readEndpoint(flags, "kv-events");
  if (endpoint === null) {
    const other = Object.keys(KV_EVENTS_FLAGS).find((name) => flags.has(name));
    if (other !== undefined) throw new UsageError(`Cannot use --${other} without --kv-events`);
    return null;
  }
  return {
    endpoint,
    replay: readEndpoint(flags, "kv-events-replay"),
    topic: flags.text("kv-events-topic"),
    form: (flags.text("kv-events-form") ?? "arrays") as EventForm,
  };
}

/**
 * What events are published under if the flags do not say it: machine, port and model. The router
 * that reads maps in an array takes only messages without a topic, and says nothing of others.
 */
export function defaultTopic(
  form: EventForm,
  { port, modelId }: { port: number; modelId: string },
): string {
  return form === "maps-in-array" ? "" : `kv@${Deno.hostname()}:${port}@${modelId}`;
}

function readEndpoint(flags: Flags, name: string): Endpoint | null {
  const text = flags.text(name);
  if (text === null) return null;
  try {
    return parseEndpoint(text);
  } catch (error) {
    throw new UsageError(`Cannot use --${name}: ${(error as Error).message}`);
  }
}
