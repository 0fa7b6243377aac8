/**
 * Reading server-sent events.
 *
 * @module
 */

/** One event: its `data` lines, and when its last byte had come, by `performance.now()`. */
export interface SseEvent {
  data: string;
  atMs: number;
}

/** Longest event that is read, in UTF-16 units. */
const EVENT_LENGTH_MAX = 4 * 2 ** 20;

/**
 * Reads the events of a body as they come. Comments, events without data, and one that the body
 * ends in the middle of, are left out.
 *
 * @throws {RangeError} If an event is longer than 4 Mi characters.
 * @throws What reading `body` throws.
 */
export async function* readSse(body: ReadableStream<Uint8Array>): AsyncGenerator<SseEvent> {
  const decoder = new TextDecoder();
  let buffered = "";
  let data: string[] = [];
  for await (const bytes of body) {
    const atMs = performance.now();
    buffered += decoder.decode(bytes, { stream: true });
    const lines = buffered.split("\n");
    buffered = lines.pop() ?? "";
    for (const ended of lines) {
      const line = ended.endsWith("\r") ? ended.slice(0, -1) : ended;
      if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
      if (line !== "" || data.length === 0) continue;
      yield { data: data.join("\n"), atMs };
      data = [];
    }
    const length = data.reduce((sum, line) => sum + line.length, buffered.length);
    if (length > EVENT_LENGTH_MAX) {
      throw new RangeError(`Cannot read an event: it is over ${EVENT_LENGTH_MAX} characters`);
    }
  }
}
