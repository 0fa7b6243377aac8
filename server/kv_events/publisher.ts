/**
 * Publishing the events of blocks over ZeroMQ, as vLLM does: a PUB socket with messages of three
 * frames (topic, sequence number, batch) and a ROUTER socket that sends again what a subscriber
 * missed.
 *
 * @module
 */

import { encode } from "@msgpack/msgpack";
import type { EngineOptions } from "../../mod.ts";
import { SetupError } from "../setup/setup_error.ts";
import { batchOf, type EventForm, type PublishedEvent } from "./encode.ts";
import { connectTo, type Endpoint, listenAt } from "./endpoint.ts";
import { ZmtpPeer } from "./zmtp.ts";

/** How to publish. */
export interface PublisherOptions {
  endpoint: Endpoint;
  /** Where missed batches are asked for, always bound; null: nowhere. */
  replay: Endpoint | null;
  /** E.g. `kv@10.0.0.7:8000@llama`. */
  topic: string;
  form: EventForm;
}

/** Batches that are kept to be asked for, where they can be. */
const KEPT_BATCH_COUNT = 10_000;
/** Batches that wait for a slow subscriber; more are lost to it. */
const WAITING_COUNT_MAX = 10_000;
/** Comes behind the last batch that is sent again. */
const END_SEQUENCE = new Uint8Array(8).fill(0xff);
const NOTHING = new Uint8Array(0);

interface Subscriber {
  peer: ZmtpPeer;
  /** Beginnings of the topics that it wants. */
  topics: Set<string>;
}

/** Publishes batches in order, each with the next sequence number. */
export class BlockEventPublisher {
  readonly #options: PublisherOptions;
  readonly #end = new AbortController();
  readonly #peers = new Set<ZmtpPeer>();
  readonly #subscribers = new Set<Subscriber>();
  readonly #topic: Uint8Array;
  readonly #kept: { sequence: bigint; payload: Uint8Array }[] = [];
  #nextSequence = 0n;

  private constructor(options: PublisherOptions) {
    this.#options = options;
    this.#topic = new TextEncoder().encode(options.topic);
  }

  /**
   * Opens the sockets. The first batch says that no block is there.
   *
   * @throws {SetupError} If an address cannot be bound.
   */
  static open(options: PublisherOptions): BlockEventPublisher {
    const publisher = new BlockEventPublisher(options);
    const { endpoint, replay } = options;
    publisher.#start(endpoint, "PUB", (peer) => publisher.#serveSubscriber(peer));
    if (replay) {
      const bound = { ...replay, isBound: true };
      publisher.#start(bound, "ROUTER", (peer) => publisher.#serveReplays(peer));
    }
    publisher.publish([{ type: "cleared" }]);
    return publisher;
  }

  /** What makes an engine publish here. */
  get engineOptions(): Pick<EngineOptions, "onBlockEvents"> {
    return { onBlockEvents: (events) => this.publish(events) };
  }

  #start(endpoint: Endpoint, socketType: string, serve: (peer: ZmtpPeer) => Promise<void>): void {
    const { signal } = this.#end;
    const serveConnection = async (connection: Deno.Conn) => {
      const peer = await ZmtpPeer.open(connection, socketType).catch((error) => {
        connection.close();
        throw error;
      });
      this.#peers.add(peer);
      try {
        await serve(peer);
      } finally {
        this.#peers.delete(peer);
        peer.close();
      }
    };
    if (!endpoint.isBound) return void connectTo(endpoint, signal, serveConnection);
    try {
      listenAt(endpoint, signal, serveConnection);
    } catch (error) {
      this.close();
      const place = `${endpoint.hostname}:${endpoint.port}`;
      const state = (error as Error).message;
      throw new SetupError(`Cannot publish events of blocks at ${place}: ${state}`);
    }
  }

  /** Publishes a batch; nothing if there are no events. */
  publish(events: readonly PublishedEvent[]): void {
    if (events.length === 0) return;
    const { form, topic } = this.#options;
    const batch = batchOf(events, { form, timeSeconds: Date.now() / 1000 });
    const payload = encode(batch, { useBigInt64: true });
    const sequence = this.#nextSequence++;
    if (this.#options.replay !== null) this.#keep(sequence, payload);
    for (const { peer, topics } of this.#subscribers) {
      if (peer.waitingCount >= WAITING_COUNT_MAX) continue;
      if (![...topics].some((wanted) => topic.startsWith(wanted))) continue;
      peer.send([this.#topic, bytesOf(sequence), payload]).catch(() => peer.close());
    }
  }

  #keep(sequence: bigint, payload: Uint8Array): void {
    this.#kept.push({ sequence, payload });
    if (this.#kept.length > KEPT_BATCH_COUNT) this.#kept.shift();
  }

  /** A message or command of a subscriber begins or ends what it wants. */
  async #serveSubscriber(peer: ZmtpPeer): Promise<void> {
    const subscriber = { peer, topics: new Set<string>() };
    this.#subscribers.add(subscriber);
    try {
      while (true) {
        const incoming = await peer.receive();
        const [isWanted, topic] = incoming.type === "command"
          ? [incoming.name === "SUBSCRIBE", incoming.body]
          : [incoming.frames[0][0] === 1, incoming.frames[0].subarray(1)];
        const text = new TextDecoder().decode(topic);
        if (isWanted) subscriber.topics.add(text);
        else subscriber.topics.delete(text);
      }
    } finally {
      this.#subscribers.delete(subscriber);
    }
  }

  /** A request is an empty frame and the first sequence number that is wanted. */
  async #serveReplays(peer: ZmtpPeer): Promise<void> {
    while (true) {
      const incoming = await peer.receive();
      if (incoming.type === "command") continue;
      const [, start] = incoming.frames;
      if (start?.length !== 8) continue;
      const first = new DataView(start.buffer, start.byteOffset).getBigUint64(0);
      for (const { sequence, payload } of this.#kept.filter((kept) => kept.sequence >= first)) {
        await peer.send([NOTHING, bytesOf(sequence), payload]);
      }
      await peer.send([NOTHING, END_SEQUENCE, NOTHING]);
    }
  }

  /** Ends all connections. */
  close(): void {
    this.#end.abort();
    for (const peer of this.#peers) peer.close();
  }
}

function bytesOf(sequence: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, sequence);
  return bytes;
}
