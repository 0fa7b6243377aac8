/**
 * A connection with a Valkey or Redis server or cluster. One that does not answer in time, or not
 * at all, is left alone until it answers again.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createClient, createCluster, ErrorReply, RESP_TYPES } from "@redis/client";

/** Pause before a store that failed is asked again, doubled each time. */
/** By how much a timer may be early. */
const TIMER_ERROR_MS = 2;

const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 30_000;
/** Replies that say that a value is none of ours: it is a miss like any other. */
const MISS_CODE = "WRONGTYPE";

/** How to reach a store. */
export interface StoreAddress {
  /** `redis://` or `rediss://` with user, password, host, port and database. */
  url: string;
  /** Longest wait for an answer. */
  timeoutMs: number;
}

/** The commands that blocks need, of a server or a cluster. */
export interface StoreCommands {
  strLen(key: string): Promise<number>;
  getEx(key: string, expiration: { type: "EX"; value: number }): Promise<Buffer | null>;
  set(
    key: string,
    value: Buffer,
    options: { expiration: { type: "EX"; value: number } },
  ): Promise<unknown>;
  unlink(key: string): Promise<number>;
}

interface Client extends StoreCommands {
  readonly isOpen: boolean;
  destroy(): void;
}

/** How to ask. */
export interface AskOptions {
  /** Time that is left for the answer, which may grow; the address's time-out if left out. */
  leftMs?: () => number;
  /** Whether what the store refuses is thrown; otherwise it is null, said once. */
  throwsReplies?: boolean;
}

/** No answer in time. */
class LateError extends Error {}

/** A store's connection and its circuit breaker. */
export class StoreConnection {
  /** Times that the connection was given up, or could not be made. */
  failureCount = 0;
  #address: StoreAddress;
  #client: Client | null = null;
  /** Nodes of the cluster, any of which knows all others; none of a single server. */
  #nodes: readonly string[] = [];
  #retryMs = RETRY_MS_MIN;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** When an answer last came in time. */
  #answeredMs = -Infinity;
  #saidRefusals = new Set<string>();
  #isClosed = false;

  private constructor(address: StoreAddress) {
    this.#address = address;
  }

  /**
   * Connects. A store that cannot be reached is tried again later.
   *
   * @throws {Error} If the store refuses: a wrong password, or no such database.
   */
  static async open(address: StoreAddress): Promise<StoreConnection> {
    const connection = new StoreConnection(address);
    const error = await connection.#connect();
    if (error instanceof ErrorReply) {
      connection.close();
      throw error;
    }
    return connection;
  }

  /** Whether the store answers, as far as is known. */
  get isUp(): boolean {
    return this.#client !== null;
  }

  /**
   * What the store answers within the time; null if it does not, or refuses. It is given up if
   * nothing else was answered in that time either.
   */
  async ask<T>(
    command: (client: StoreCommands) => Promise<T>,
    { leftMs = leftOf(this.#address.timeoutMs), throwsReplies = false }: AskOptions = {},
  ): Promise<T | null> {
    const client = this.#client;
    if (client === null) return null;
    const startMs = performance.now();
    try {
      const answer = await within(leftMs, command(client));
      this.#answeredMs = performance.now();
      return answer;
    } catch (error) {
      if (error instanceof ErrorReply) {
        if (throwsReplies) throw error;
        this.#sayRefusal(error);
      } else if (!(error instanceof LateError && this.#wasCutShort(startMs))) {
        this.#giveUp(client, error as Error);
      }
      return null;
    }
  }

  /** Whether what began then says nothing against the store: it answered, or had little time. */
  #wasCutShort(startMs: number): boolean {
    const waitedMs = performance.now() - startMs;
    return this.#answeredMs > startMs || waitedMs < this.#address.timeoutMs - TIMER_ERROR_MS;
  }

  /** Leaves the store. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#client?.destroy();
    this.#client = null;
  }

  #sayRefusal({ message }: ErrorReply): void {
    const [code] = message.split(" ");
    if (code === MISS_CODE || this.#saidRefusals.has(code)) return;
    this.#saidRefusals.add(code);
    console.error(`packkv: the store of blocks refuses: ${message}`);
  }

  /** The error if it failed, null if there is a connection then. */
  async #connect(): Promise<Error | null> {
    try {
      const client = this.#nodes.length > 0 ? await this.#joinCluster() : await this.#join();
      if (this.#isClosed) client.destroy();
      else this.#client = client;
      this.#retryMs = RETRY_MS_MIN;
      return null;
    } catch (error) {
      this.#tryLater(error as Error);
      return error as Error;
    }
  }

  /** Connects with a server, and with all others of its cluster if it is part of one. */
  async #join(): Promise<Client> {
    const { timeoutMs, url } = this.#address;
    const client = createClient({ ...connectionOptions(this.#address), url });
    client.on("error", (error: Error) => this.#giveUp(client as Client, error));
    try {
      await within(leftOf(timeoutMs), client.connect());
      const { mode } = await within(leftOf(timeoutMs), client.hello());
      if (String(mode) === "sentinel") {
        throw new ErrorReply("it is a sentinel, wanted the server that it watches");
      }
      if (String(mode) !== "cluster") return client as Client;
    } catch (error) {
      if (client.isOpen) client.destroy();
      throw error;
    }
    client.destroy();
    return await this.#joinCluster();
  }

  async #joinCluster(): Promise<Client> {
    const { timeoutMs, url } = this.#address;
    const { protocol, username, password } = new URL(url);
    const defaults = connectionOptions(this.#address);
    const cluster = createCluster({
      rootNodes: [url, ...this.#nodes.map((node) => `${protocol}//${node}`)].map((each) => ({
        url: each,
      })),
      defaults: {
        ...defaults,
        ...(username ? { username: decodeURIComponent(username) } : {}),
        ...(password ? { password: decodeURIComponent(password) } : {}),
        socket: { ...defaults.socket, ...(protocol === "rediss:" ? { tls: true as const } : {}) },
      },
      commandOptions: defaults.commandOptions,
    });
    const client = cluster as unknown as Client;
    const giveUp = (error: Error) => this.#giveUp(client, error);
    cluster.on("error", giveUp);
    cluster.on("node-error", giveUp);
    try {
      await within(leftOf(timeoutMs), cluster.connect());
    } catch (error) {
      if (cluster.isOpen) cluster.destroy();
      throw error;
    }
    this.#nodes = cluster.masters.map(({ address }) => address);
    return client;
  }

  #giveUp(client: Client, error: Error): void {
    if (this.#client !== client) return; // given up already
    this.#client = null;
    if (client.isOpen) client.destroy();
    this.#tryLater(error);
  }

  #tryLater({ message }: Error): void {
    this.failureCount++;
    if (this.#isClosed) return;
    const seconds = this.#retryMs / 1000;
    console.error(`packkv: the store of blocks fails, next try in ${seconds} s: ${message}`);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(RETRY_MS_MAX, 2 * this.#retryMs);
  }
}

/** Of each connection: values are bytes, and nothing waits for a connection to come back. */
function connectionOptions({ timeoutMs }: StoreAddress) {
  return {
    disableOfflineQueue: true,
    socket: { connectTimeout: timeoutMs, reconnectStrategy: false as const },
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  };
}

/** What is left of a time that begins now. */
export function leftOf(limitMs: number): () => number {
  const endMs = performance.now() + limitMs;
  return () => endMs - performance.now();
}

/** @throws {LateError} If nothing is left of its time. */
async function within<T>(leftMs: () => number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const startMs = performance.now();
  let timer: ReturnType<typeof setTimeout>;
  const wait = () => {
    timer = setTimeout(() => {
      if (leftMs() > 0) return wait();
      reject(new LateError(`no answer within ${Math.round(performance.now() - startMs)} ms`));
    }, leftMs());
  };
  wait();
  promise.catch(() => {}); // it may fail after the time
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer!);
  }
}
