/**
 * One connection of ZeroMQ's protocol, ZMTP 3.0 without security (rfc.zeromq.org/spec/23):
 * greeting, handshake, then messages of frames.
 *
 * @module
 */

const GREETING_SIZE = 64;
const SIGNATURE_END = 0x7f;
const VERSION_OFFSET = 10;
const MECHANISM_OFFSET = 12;
const MECHANISM_SIZE = 20;
const MECHANISM = "NULL";

const IS_MORE = 1;
const IS_LONG = 2;
const IS_COMMAND = 4;
/** Most bytes of one read. */
const READ_SIZE = 65_536;
/** Larger frames than anybody sends to a publisher. */
const FRAME_SIZE_MAX = 1 << 20;

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** A message, or a command with its name. */
export type Incoming =
  | { type: "message"; frames: Uint8Array[] }
  | { type: "command"; name: string; body: Uint8Array };

/** A peer behind a connection. */
export class ZmtpPeer {
  readonly #connection: Deno.Conn;
  #buffer = new Uint8Array(0);
  #writing: Promise<void> = Promise.resolve();
  #waitingCount = 0;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /**
   * Greets a peer and shakes hands.
   *
   * @param socketType E.g. `PUB`.
   * @throws {Error} If it speaks another protocol or wants security.
   */
  static async open(connection: Deno.Conn, socketType: string): Promise<ZmtpPeer> {
    const peer = new ZmtpPeer(connection);
    await peer.#write(greeting());
    const theirs = await peer.#read(GREETING_SIZE);
    const mechanism = decoder.decode(
      theirs.subarray(MECHANISM_OFFSET, MECHANISM_OFFSET + MECHANISM_SIZE),
    ).replace(/\0+$/, "");
    const isZmtp = theirs[0] === 0xff && theirs[9] === SIGNATURE_END && theirs[VERSION_OFFSET] >= 3;
    if (!isZmtp || mechanism !== MECHANISM) {
      throw new Error(`a peer that speaks no ZMTP 3 without security (${mechanism})`);
    }
    await peer.#write(frame(readyCommand(socketType), IS_COMMAND));
    const ready = await peer.receive();
    if (ready.type !== "command" || ready.name !== "READY") throw new Error("a peer is not ready");
    return peer;
  }

  /** Messages that wait to be written. */
  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** The next message or command; what asks whether this side lives is answered. */
  async receive(): Promise<Incoming> {
    const frames: Uint8Array[] = [];
    while (true) {
      const [flags] = await this.#read(1);
      const size = (flags & IS_LONG) === 0
        ? (await this.#read(1))[0]
        : Number(new DataView((await this.#read(8)).slice().buffer).getBigUint64(0));
      if (size > FRAME_SIZE_MAX) throw new Error(`a frame of ${size} bytes`);
      const body = (await this.#read(size)).slice();
      if (flags & IS_COMMAND) {
        const name = decoder.decode(body.subarray(1, 1 + body[0]));
        const command = { type: "command", name, body: body.subarray(1 + body[0]) } as const;
        if (name !== "PING") return command;
        // Behind its two bytes of time to live stands what the answer repeats.
        const pong = [4, ...encoder.encode("PONG"), ...command.body.subarray(2)];
        await this.#write(frame(Uint8Array.from(pong), IS_COMMAND));
        continue;
      }
      frames.push(body);
      if ((flags & IS_MORE) === 0) return { type: "message", frames };
    }
  }

  /** Sends a message behind those that wait; rejects if the connection is lost. */
  send(frames: readonly Uint8Array[]): Promise<void> {
    const last = frames.length - 1;
    const bytes = joined(frames.map((body, index) => frame(body, index < last ? IS_MORE : 0)));
    this.#waitingCount++;
    this.#writing = this.#writing.then(() => this.#write(bytes)).finally(() =>
      this.#waitingCount--
    );
    return this.#writing;
  }

  /** Ends the connection. */
  close(): void {
    try {
      this.#connection.close();
    } catch { /* it has ended */ }
  }

  async #read(size: number): Promise<Uint8Array> {
    while (this.#buffer.length < size) {
      const chunk = new Uint8Array(READ_SIZE);
      const count = await this.#connection.read(chunk);
      if (count === null) throw new Error("the connection ended");
      this.#buffer = joined([this.#buffer, chunk.subarray(0, count)]);
    }
    const bytes = this.#buffer.subarray(0, size);
    this.#buffer = this.#buffer.slice(size);
    return bytes;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let offset = 0; offset < bytes.length;) {
      offset += await this.#connection.write(bytes.subarray(offset));
    }
  }
}

function greeting(): Uint8Array {
  const bytes = new Uint8Array(GREETING_SIZE);
  bytes[0] = 0xff;
  bytes[8] = 1;
  bytes[9] = SIGNATURE_END;
  bytes[VERSION_OFFSET] = 3;
  bytes.set(encoder.encode(MECHANISM), MECHANISM_OFFSET);
  return bytes;
}

function readyCommand(socketType: string): Uint8Array {
  const [command, property, value] = ["READY", "Socket-Type", socketType].map((text) =>
    encoder.encode(text)
  );
  return Uint8Array.from([
    command.length,
    ...command,
    property.length,
    ...property,
    ...[0, 0, 0, value.length],
    ...value,
  ]);
}

function frame(body: Uint8Array, flags: number): Uint8Array {
  if (body.length < 256) return joined([Uint8Array.of(flags, body.length), body]);
  const size = new Uint8Array(9);
  size[0] = flags | IS_LONG;
  new DataView(size.buffer).setBigUint64(1, BigInt(body.length));
  return joined([size, body]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}
