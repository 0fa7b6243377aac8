/** The meter: what the cache holds, and what holding it compressed saves. */

import { byId, make, makeSvg } from "./dom.mjs";
import { formatBytes, formatCount, formatRate, formatRatio } from "./format.mjs";
import { rateOf, readMetrics } from "./prometheus.mjs";
import { bytesOfTurn } from "./slots.mjs";

const BUSY_INTERVAL_MS = 1000;
const IDLE_INTERVAL_MS = 5000;
const NOT_REPORTED = "not reported";

function bar(share, isPlain = false) {
  const width = Math.max(0, Math.min(100, share * 100));
  const attributes = { viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" };
  const rect = makeSvg("rect", { width: width.toFixed(2), height: 1 });
  return makeSvg("svg", { ...attributes, class: isPlain ? "bar plain-bar" : "bar" }, rect);
}

function row(name, value) {
  return make("div", { class: "row" }, make("span", {}, name), make("span", {}, value));
}

/** The two bars: what f16 would take, and what is taken. */
function bytesFigure(rawBytes, packedBytes) {
  const ratio = formatRatio(rawBytes, packedBytes);
  if (ratio === null) return null;
  const head = make("div", { class: "ratio" }, `${ratio}×`, make("small", {}, " smaller"));
  return make(
    "div",
    { class: "bytes" },
    head,
    row("as f16", formatBytes(rawBytes)),
    bar(1, true),
    row("as stored", formatBytes(packedBytes)),
    bar(packedBytes / rawBytes),
  );
}

/** @param {[name: string, value: string | null][]} pairs Null is said not to be reported. */
function list(pairs) {
  return make(
    "dl",
    {},
    ...pairs.flatMap(([name, value]) => [
      make("dt", {}, name),
      make("dd", { class: value === null ? "unknown" : null }, value ?? NOT_REPORTED),
    ]),
  );
}

function orNull(value, format) {
  return typeof value === "number" && Number.isFinite(value) ? format(value) : null;
}

function conversationPairs(turn, contextLength) {
  const room = contextLength === null ? "" : ` of ${formatCount(contextLength)}`;
  const { cachedCount, promptCount, kv } = turn;
  const isWriting = (turn.completionCount ?? 1) > 0;
  const cached = orNull(
    cachedCount,
    (count) => `${formatCount(count)} of ${formatCount(promptCount ?? count)}`,
  );
  return [
    ["tokens held", orNull(turn.totalCount, (count) => `${formatCount(count)}${room}`)],
    ...(kv && kv.packedBytes > 0 ? [] : [["bytes as f16", null], ["bytes as stored", null]]),
    ...(kv?.kept ? [["kept of the prompt", kv.kept]] : []),
    ["cached of this turn", cached],
    ["reading", orNull(turn.prefillPerSecond, formatRate)],
    ["writing", isWriting ? orNull(turn.decodePerSecond, formatRate) : "not yet"],
  ];
}

/** What a token takes before packing, where some layers read what others keep. */
function tokenPairs({ memory = {}, limits = {} }) {
  const sharing = limits.shared_layers?.length ?? 0;
  if (sharing === 0) return [];
  const layers = `${sharing} of ${memory.layers?.length} layers keep nothing`;
  return [["a token as f16", `${formatBytes(memory.token_bytes)}; ${layers}`]];
}

/** Shows one turn of a conversation and the server beside it. */
export class Meter {
  #api;
  #timer = 0;
  #isBusy = false;
  /** Whether the server has `/slots`: a request for a missing one is an error in the console. */
  #hasSlots = false;
  #model = null;
  #before = null;
  #now = null;
  #turn = null;

  /** @param {import("./api.mjs").Api} api */
  constructor(api) {
    this.#api = api;
    const toggle = byId("meter-toggle");
    toggle.addEventListener("click", () => {
      const isOpen = toggle.getAttribute("aria-expanded") === "true";
      toggle.setAttribute("aria-expanded", String(!isOpen));
    });
    document.addEventListener("visibilitychange", () => this.#schedule(0));
  }

  /** Begins to ask the server. @param model What `/v1/models` says of it. */
  start(model) {
    this.#model = model;
    this.#schedule(0);
    this.#api.json("openapi.json").then(({ paths }) => {
      this.#hasSlots = "/v1/slots" in paths;
    }, () => {}); // without it slots are not asked for, and their bytes "not reported"
  }

  /** Whether an answer is under way: then the server is asked more often. */
  setBusy(isBusy) {
    this.#isBusy = isBusy;
    this.#schedule(0);
  }

  /** Shows a turn; null where none has been. @param {Record<string, any> | null} turn */
  showTurn(turn) {
    this.#turn = turn;
    const place = byId("meter-conversation");
    if (turn === null) {
      place.replaceChildren(make("p", { class: "quiet" }, "Nothing has been read yet."));
    } else {
      const { kv } = turn;
      const figure = kv ? bytesFigure(kv.rawBytes, kv.packedBytes) : null;
      const pairs = conversationPairs(turn, this.#model?.max_model_len ?? null);
      place.replaceChildren(...[figure, list(pairs)].filter((part) => part !== null));
    }
    this.#showStrip();
  }

  #schedule(delayMs) {
    clearTimeout(this.#timer);
    if (this.#model === null || document.hidden) return;
    this.#timer = setTimeout(() => this.#ask(), delayMs);
  }

  async #ask() {
    const turn = this.#turn;
    const [slots, props, metrics] = await Promise.all([
      this.#isBusy && this.#hasSlots ? this.#api.jsonOfModel("slots").catch(() => null) : null,
      this.#api.jsonOfModel("props").catch(() => null),
      this.#api.text("metrics").then(readMetrics).catch(() => null),
    ]);
    if (metrics !== null) {
      this.#before = this.#now;
      this.#now = { atMs: performance.now(), metrics };
    }
    const kv = turn === null ? null : bytesOfTurn(slots, turn);
    if (kv !== null) {
      // Kept with the turn: when its answer has ended, its slot is empty.
      turn.kv = kv;
      if (turn === this.#turn) this.showTurn(turn);
    }
    this.#showServer(props);
    this.#schedule(this.#isBusy ? BUSY_INTERVAL_MS : IDLE_INTERVAL_MS);
  }

  #showServer(props) {
    const place = byId("meter-server");
    if (props === null) {
      place.replaceChildren(make("p", { class: "quiet" }, "The server does not answer."));
      return;
    }
    const { memory = {} } = props;
    const { raw, packed, allocated } = memory.cache_bytes ?? {};
    const metric = (name, format) => orNull(this.#now?.metrics.get(name), format);
    const rate = rateOf("vllm:generation_tokens_total", this.#before, this.#now);
    const share = (part) => `${(part * 100).toFixed(part > 0 && part < 0.1 ? 1 : 0)}%`;
    const adapter = `${props.adapter}${props.adapter_is_fallback ? " (software)" : ""}`;
    const facts = [props.model_alias, props.kv_profile, adapter]
      .filter((fact) => typeof fact === "string")
      .map((fact) => make("span", {}, fact));
    const figure = bytesFigure(raw, packed);
    const { read } = props.limits ?? {};
    const counted = (name) => this.#now?.metrics.get(`packkv:${name}_tokens_total`) ?? NaN;
    const readShare = counted("read") / counted("readable");
    const empty = raw === 0 ? [["packed blocks", "none now"]] : [["packed blocks", null]];
    place.replaceChildren(
      make("div", { class: "facts" }, ...facts),
      ...(figure === null ? [] : [figure]),
      list([
        ...(figure === null ? empty : []),
        ["held for them", orNull(allocated, formatBytes)],
        ...tokenPairs(props),
        ["all in, with raw windows", orNull(memory.all_in_bytes, formatBytes)],
        ...(read ? [["read of the context", orNull(readShare, share)]] : []),
        ...(memory.value_host_bytes > 0
          ? [
            ["values in host memory", formatBytes(memory.value_host_bytes)],
            ["of these on the GPU too", formatBytes(memory.value_device_bytes)],
            ["value blocks brought", metric("packkv:value_blocks_fetched_total", formatCount)],
          ]
          : []),
        ["kept for later", metric("packkv:kv_retained_bytes", formatBytes)],
        ["cache in use", orNull(memory.cache_usage, share)],
        ["GPU memory in all", orNull(memory.device_bytes, formatBytes)],
        ["answers under way", metric("vllm:num_requests_running", formatCount)],
        ["waiting", metric("vllm:num_requests_waiting", formatCount)],
        ["writing", this.#before === null ? "…" : orNull(rate, formatRate)],
      ]),
    );
  }

  /** The one line of small screens. */
  #showStrip() {
    const turn = this.#turn;
    const words = [];
    if (turn?.totalCount) words.push(`${formatCount(turn.totalCount)} tokens`);
    const ratio = turn?.kv ? formatRatio(turn.kv.rawBytes, turn.kv.packedBytes) : null;
    if (ratio !== null) words.push(`${ratio}× smaller`);
    if (turn?.decodePerSecond) words.push(formatRate(turn.decodePerSecond));
    byId("meter-strip").textContent = words.length === 0 ? "Meter" : words.join(" · ");
  }
}
