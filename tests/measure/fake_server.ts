/** An OpenAI server that answers by script: text chunks at known times, and known failures. */

/** What the server does next in an answer: send raw bytes of a stream, wait, or break off. */
export type FakeAction = string | { waitMs: number } | "break";

/** A request as it came. */
export interface SeenRequest {
  path: string;
  authorization: string | null;
  // deno-lint-ignore no-explicit-any
  body: any;
}

/** An answer: a stream's actions, or a whole response. */
export type FakeAnswer = readonly FakeAction[] | Response;

/** A text chunk's frame. */
export function textFrame(text: string): string {
  return `data: ${JSON.stringify({ choices: [{ index: 0, text }] })}\n\n`;
}

/** The frames that end a stream: usage and `[DONE]`. */
export function endFrames(promptTokenCount: number, completionTokenCount: number): string {
  const usage = { prompt_tokens: promptTokenCount, completion_tokens: completionTokenCount };
  return `data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`;
}

/** Answers as a server should, a chunk a token, after `firstMs` and then every `gapMs`. */
export function steadyAnswer(
  { body }: SeenRequest,
  { firstMs = 0, gapMs = 0 }: { firstMs?: number; gapMs?: number } = {},
): FakeAction[] {
  const count: number = body.max_tokens;
  const tokens = Array.from({ length: count }, (_, index): FakeAction[] => [
    { waitMs: index === 0 ? firstMs : gapMs },
    textFrame("a "),
  ]).flat();
  return [...tokens, endFrames(promptLength(body.prompt), count)];
}

function promptLength(prompt: string | number[]): number {
  return typeof prompt === "string" ? prompt.split(" ").length : prompt.length;
}

/** A running fake. */
export interface FakeServer {
  url: string;
  /** Requests for completions, in the order they came. */
  seen: SeenRequest[];
  /** Most completions that were answered at a time. */
  inFlightMax(): number;
}

/** How a fake lists its model. */
export interface FakeSettings {
  models?: () => Response;
}

const MODELS = { data: [{ id: "first", meta: { n_vocab: 400 } }, { id: "second" }] };

/**
 * Runs `body` against a fake whose completions `answer` decides.
 *
 * @param answer Called with each request for a completion and its index; 0 is the first probe.
 */
export async function withFakeServer(
  answer: (request: SeenRequest, index: number) => FakeAnswer,
  body: (server: FakeServer) => Promise<void>,
  { models = () => Response.json(MODELS) }: FakeSettings = {},
): Promise<void> {
  const seen: SeenRequest[] = [];
  let inFlight = 0;
  let inFlightMax = 0;
  async function handle(request: Request): Promise<Response> {
    const { pathname: path } = new URL(request.url);
    if (path === "/v1/models") return models();
    const authorization = request.headers.get("authorization");
    const one = { path, authorization, body: await request.json() };
    const answered = answer(one, seen.push(one) - 1);
    if (answered instanceof Response) return answered;
    inFlightMax = Math.max(inFlightMax, ++inFlight);
    const stream = ReadableStream.from(play(answered, () => inFlight--));
    return new Response(stream, { headers: { "Content-Type": "text/event-stream" } });
  }
  const settings = { hostname: "127.0.0.1", port: 0, onListen: () => {}, onError: failed };
  const server = Deno.serve(settings, handle);
  try {
    const url = `http://127.0.0.1:${server.addr.port}`;
    await body({ url, seen, inFlightMax: () => inFlightMax });
  } finally {
    await server.shutdown();
  }
}

function failed(error: unknown): Response {
  return new Response(String(error), { status: 500 });
}

async function* play(
  actions: readonly FakeAction[],
  onEnd: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    for (const action of actions) {
      if (action === "break") throw new Error("broken off on purpose");
      if (typeof action === "string") yield new TextEncoder().encode(action);
      else await new Promise((resolve) => setTimeout(resolve, action.waitMs));
    }
  } finally {
    onEnd();
  }
}
