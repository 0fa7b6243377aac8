/** HTTP written by hand over a real socket: requests that clients of the platform do not make. */

/** An answer, its body whole. */
export interface RawAnswer {
  status: number;
  headers: Headers;
  body: string;
}

async function readAll(connection: Deno.Conn): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) break;
    parts.push(buffer.slice(0, count));
  }
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

/** Puts a body of chunks together. */
function joinChunks(text: string): string {
  let [rest, body] = [text, ""];
  for (;;) {
    const [size] = rest.split("\r\n", 1);
    const length = parseInt(size, 16);
    if (!(length > 0)) return body;
    const begin = size.length + 2;
    body += rest.slice(begin, begin + length);
    rest = rest.slice(begin + length + 2);
  }
}

function parse(text: string): RawAnswer {
  const headEnd = text.indexOf("\r\n\r\n");
  const [statusLine, ...lines] = text.slice(0, headEnd).split("\r\n");
  const headers = new Headers(lines.map((line): [string, string] => {
    const [name, ...value] = line.split(":");
    return [name, value.join(":").trim()];
  }));
  const body = text.slice(headEnd + 4);
  const isChunked = headers.get("transfer-encoding") === "chunked";
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(statusLine)?.[1] ?? NaN);
  return { status, headers, body: isChunked ? joinChunks(body) : body };
}

/** Sends bytes, of which the last request should ask to close the connection; its answer. */
export async function sendRaw(url: string, request: string | Uint8Array): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  const address = { hostname: hostname.replace(/[[\]]/g, ""), port: Number(port) };
  const connection = await Deno.connect(address);
  try {
    const bytes = typeof request === "string" ? new TextEncoder().encode(request) : request;
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    return parse(new TextDecoder().decode(await readAll(connection)));
  } finally {
    connection.close();
  }
}

/** Text of a request that closes its connection. */
export function rawRequest(
  method: string,
  path: string,
  { headers = {}, body = "" }: { headers?: Record<string, string>; body?: string } = {},
): string {
  const all = { Host: "localhost", Connection: "close", ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

/** `text` in chunks of `size` letters, with an extension and a trailer, as the protocol allows. */
export function chunked(text: string, size: number): string {
  let body = "";
  for (let at = 0; at < text.length; at += size) {
    const chunk = text.slice(at, at + size);
    body += `${chunk.length.toString(16)};name=value\r\n${chunk}\r\n`;
  }
  return `${body}0\r\nX-Trailer: end\r\n\r\n`;
}
