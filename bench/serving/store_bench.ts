/**
 * A document read on one server and asked for on another one, which have a store in common: time to
 * first token, and bytes moved per token beside those of f16.
 *
 *     deno run -A bench/serving/store_bench.ts --text FILE --tokens 6000 --namespaces
 *
 * With `--namespaces` (Linux, root, `ip`) each server has a network of its own, from which only the
 * store can be reached. `--timeout MS` is `--kv-store-timeout` (its default if left out), `--model
 * FILE` another model.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { readGguf } from "../../src/gguf/read_gguf.ts";
import { defaultModelPath } from "../../tests/support/default_model.ts";
import { freePorts } from "../../tests/support/free_ports.ts";
import { SERVE_COMMAND } from "../../tests/support/serve_process.ts";
import { withStore } from "../../tests/support/store_process.ts";

const options = parseArgs(Deno.args, {
  boolean: ["namespaces"],
  string: ["text", "tokens", "timeout", "model"],
});
const tokenCount = Number(options.tokens ?? 6000);
const timeoutMs = options.timeout ?? "500";

/** Where a server runs, and where it finds the store. */
interface Place {
  prefix: readonly string[];
  host: string;
  storeHost: string;
}

async function run(...command: string[]): Promise<void> {
  const [program, ...args] = command;
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${command.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Two networks that see the machine and not each other. */
async function makeNamespaces(): Promise<Place[]> {
  const places: Place[] = [];
  for (const number of [1, 2]) {
    const [name, outer, inner] = [`packkv${number}`, `pkv-o${number}`, `pkv-i${number}`];
    const [storeHost, host] = [`10.77.${number}.1`, `10.77.${number}.2`];
    await run("ip", "netns", "add", name);
    await run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name);
    await run("ip", "addr", "add", `${storeHost}/24`, "dev", outer);
    await run("ip", "link", "set", outer, "up");
    await run("ip", "-n", name, "addr", "add", `${host}/24`, "dev", inner);
    await run("ip", "-n", name, "link", "set", inner, "up");
    await run("ip", "-n", name, "link", "set", "lo", "up");
    places.push({ prefix: ["ip", "netns", "exec", name], host, storeHost });
  }
  return places;
}

async function start({ prefix, host, storeHost }: Place, storePort: number) {
  const [port] = freePorts(1);
  const address = ["--host", host, "--port", String(port), "--insecure", "--log", "off"];
  const store = [
    "--kv-store",
    `redis://${storeHost}:${storePort}`,
    "--kv-store-timeout",
    timeoutMs,
  ];
  const model = ["--model", options.model ?? defaultModelPath(), "--ctx", "8192"];
  const [program, ...rest] = [...prefix, ...SERVE_COMMAND, ...address, ...store, ...model];
  const child = new Deno.Command(program, { args: rest, stdout: "null", stderr: "inherit" })
    .spawn();
  const url = `http://${host}:${port}`;
  const end = async () => {
    child.kill("SIGINT");
    await child.status;
  };
  const ended = child.status.then(({ code }) => {
    throw new Error(`The server at ${url} ended with ${code} before it listened`);
  });
  ended.catch(() => {}); // it ends by a signal behind that
  await Promise.race([listening(url), ended]);
  return { url, end };
}

async function listening(url: string): Promise<void> {
  for (let attempt = 0; attempt < 3000; attempt++) {
    const health = await fetch(`${url}/health`).catch(() => null);
    await health?.body?.cancel();
    if (health?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`The server at ${url} listens within five minutes`);
}

type Server = Awaited<ReturnType<typeof start>>;

/** Milliseconds to the first token, cached tokens, and the text. */
async function ask({ url }: Server, prompt: readonly number[]) {
  const startMs = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    body: JSON.stringify({
      prompt,
      max_tokens: 8,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    }),
  });
  let [firstMs, cached, answer, text] = [NaN, 0, "", ""];
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
  for (const line of text.split("\n")) {
    if (!line.startsWith("data: {")) continue;
    const { choices: [choice], usage } = JSON.parse(line.slice(6));
    answer += choice?.text ?? "";
    cached = usage?.prompt_tokens_details?.cached_tokens ?? cached;
  }
  const metrics = await (await fetch(`${url}/metrics`)).text();
  firstMs = 1000 * sample(metrics, "vllm:time_to_first_token_seconds_sum");
  return { firstMs, wholeMs: performance.now() - startMs, cached, answer };
}

function sample(metrics: string, name: string, label = ""): number {
  const line = metrics.split("\n").find((each) => each.startsWith(name) && each.includes(label));
  return Number(line?.split(" ").at(-1) ?? NaN);
}

const bytesOf = async ({ url }: Server, direction: string) => {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return sample(metrics, "packkv:kv_store_bytes", `direction="${direction}"`);
};

/** Waits until no more is written for two seconds. */
async function written(server: Server): Promise<number> {
  for (let last = -1;;) {
    const bytes = await bytesOf(server, "written");
    if (bytes > 0 && bytes === last) return bytes;
    last = bytes;
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

/** Of a model whose layers all keep everything. */
async function f16BytesPerToken(path: string): Promise<number> {
  const { metadata } = await readGguf(path);
  const architecture = metadata.getString("general.architecture");
  const number = (name: string) => metadata.getNumber(`${architecture}.${name}`);
  const headSize = number("embedding_length") / number("attention.head_count");
  return 2 * 2 * number("block_count") * number("attention.head_count_kv") * headSize;
}

const places = options.namespaces
  ? await makeNamespaces()
  : [1, 2].map((): Place => ({ prefix: [], host: "127.0.0.1", storeHost: "127.0.0.1" }));
try {
  const bind = options.namespaces
    ? ["--protected-mode", "no", "--bind", "127.0.0.1", "10.77.1.1", "10.77.2.1"]
    : [];
  await withStore(async (store) => {
    let [a, b] = await Promise.all(places.map((place) => start(place, store.port)));
    const content = await Deno.readTextFile(options.text!);
    const body = JSON.stringify({ content: content.slice(0, 8 * tokenCount) });
    const tokenized = await fetch(`${a.url}/tokenize`, { method: "POST", body });
    const ids: number[] = (await tokenized.json()).tokens.slice(0, tokenCount);
    const cold = await ask(a, ids);
    const writtenBytes = await written(a);
    const warm = await ask(b, ids);
    const readBytes = await bytesOf(b, "read");
    const f16 = await f16BytesPerToken(options.model ?? defaultModelPath());
    await Promise.all([a.end(), b.end()]);
    [a, b] = await Promise.all(places.map((place) => start(place, store.port)));
    const restarted = [await ask(a, ids), await ask(b, ids)];
    await Promise.all([a.end(), b.end()]);
    const texts = [cold, warm, ...restarted].map(({ answer }) => answer);
    console.log(JSON.stringify({
      tokens: ids.length,
      namespaces: options.namespaces,
      timeoutMs: Number(timeoutMs),
      coldFirstMs: cold.firstMs,
      warmFirstMs: warm.firstMs,
      restartedFirstMs: restarted.map(({ firstMs }) => firstMs),
      share: warm.firstMs / cold.firstMs,
      cached: [cold, warm, ...restarted].map(({ cached }) => cached),
      sameText: texts.every((text) => text === texts[0]),
      writtenBytes,
      readBytes,
      bytesPerToken: readBytes / warm.cached,
      f16BytesPerToken: f16,
    }));
  }, bind);
} finally {
  if (options.namespaces) {
    for (const { prefix } of places) await run("ip", "netns", "del", prefix[3]);
  }
}
