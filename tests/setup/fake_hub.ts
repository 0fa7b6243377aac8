/** A server on this machine that speaks as much of the hub's protocol as a download needs. */

import { createHash } from "node:crypto";

/** How the hub behaves; may be changed between requests. */
export interface HubBehaviour {
  bytes: Uint8Array<ArrayBuffer>;
  /** Checksum it claims; default: the right one. */
  claimedHash?: string;
  /** Not in LFS: the checksum is git's. */
  isSmall?: boolean;
  /** Bytes after which each answer is cut, for as many requests as there are entries. */
  cuts: number[];
  /** Answers without a status of their own, such as 401. */
  status?: number;
  /** Sends all of the file whatever range is asked for. */
  ignoresRanges?: boolean;
  /** Repository and file that it has; default: `o/r` and `sub/m.gguf`. */
  repo?: string;
  file?: string;
  /** Other files that it has. */
  others?: Record<string, Uint8Array<ArrayBuffer>>;
  /** Token that must come as bearer. */
  token?: string;
  /** `Range` headers of the file's downloads so far; empty text where there was none. */
  ranges: string[];
}

/** Starts the hub, which has one repository. */
export function startHub(behaviour: HubBehaviour): { hubUrl: string; stop: () => Promise<void> } {
  const onError = () => new Response(null, { status: 500 });
  const settings = { port: 0, hostname: "127.0.0.1", onListen: () => {}, onError };
  const server = Deno.serve(settings, (request) => {
    const { pathname } = new URL(request.url);
    const { status, token, repo = "o/r" } = behaviour;
    if (status) return Response.json({ error: `status ${status}` }, { status });
    if (token && request.headers.get("Authorization") !== `Bearer ${token}`) {
      return Response.json({ error: "Invalid username or password." }, { status: 401 });
    }
    if (pathname === `/api/models/${repo}/paths-info/main`) {
      return describePaths(request, behaviour);
    }
    const file = pathname.replace(`/${repo}/resolve/main/`, "");
    const bytes = filesOf(behaviour)[file];
    if (bytes !== undefined) return sendFile(request, { behaviour, bytes });
    return Response.json({ error: "Repository not found" }, { status: 404 });
  });
  return { hubUrl: `http://127.0.0.1:${server.addr.port}`, stop: () => server.shutdown() };
}

function filesOf(
  { file = "sub/m.gguf", bytes, others }: HubBehaviour,
): Record<string, Uint8Array<ArrayBuffer>> {
  return { ...others, [file]: bytes };
}

async function describePaths(request: Request, behaviour: HubBehaviour): Promise<Response> {
  const { paths } = await request.json();
  const files = filesOf(behaviour);
  const infos = (paths as string[]).filter((path) => path in files).map((path) => {
    const size = files[path].length;
    const oid = hashOf(behaviour, files[path]);
    if (behaviour.isSmall) return { type: "file", path, size, oid };
    return { type: "file", path, size, oid: "f".repeat(40), lfs: { oid, size, pointerSize: 134 } };
  });
  return Response.json(infos);
}

function hashOf({ claimedHash, isSmall }: HubBehaviour, bytes: Uint8Array): string {
  if (claimedHash) return claimedHash;
  if (!isSmall) return createHash("sha256").update(bytes).digest("hex");
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

function sendFile(
  request: Request,
  { behaviour, bytes }: { behaviour: HubBehaviour; bytes: Uint8Array<ArrayBuffer> },
): Response {
  const { ignoresRanges } = behaviour;
  const range = request.headers.get("Range") ?? "";
  const match = /^bytes=(\d+)-(\d*)$/.exec(range);
  const isProbe = range === "bytes=0-0";
  if (!isProbe) behaviour.ranges.push(range);
  const begin = match && (isProbe || !ignoresRanges) ? Number(match[1]) : 0;
  const end = match?.[2] ? Number(match[2]) + 1 : bytes.length;
  const headers: Record<string, string> = { ETag: `"${hashOf(behaviour, bytes)}"` };
  const isPart = match !== null && (isProbe || !ignoresRanges);
  if (isPart) headers["Content-Range"] = `bytes ${begin}-${end - 1}/${bytes.length}`;
  const cut = isProbe ? undefined : behaviour.cuts.shift();
  const body = cut === undefined
    ? bytes.slice(begin, end)
    : cutStream(bytes.slice(begin, Math.min(end, begin + cut)));
  return new Response(body, { status: isPart ? 206 : 200, headers });
}

/** Sends `bytes`, then breaks the connection. */
function cutStream(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  let isSent = false;
  return new ReadableStream({
    async pull(controller) {
      if (isSent) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        return controller.error(new Error("cut"));
      }
      isSent = true;
      controller.enqueue(bytes);
    },
  }, { highWaterMark: 0 });
}
