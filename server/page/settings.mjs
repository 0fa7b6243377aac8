/** Settings: how answers are sampled, the key, the theme; kept in this browser's localStorage. */

import { byId, make } from "./dom.mjs";
import { Problem } from "./problems.mjs";

const STORAGE_KEY = "packkv.settings";

/**
 * One setting. Numbers may be left empty, which leaves the choice to the server.
 *
 * @typedef {{
 *   name: string, label: string, kind: "number" | "text" | "lines" | "secret" | "choice",
 *   help: string, initial: string, isFull?: boolean,
 *   min?: number, max?: number, isInteger?: boolean, choices?: [string, string][],
 * }} Setting
 */

/** @type {readonly Setting[]} */
export const SETTINGS = [
  {
    name: "system",
    label: "System prompt of this conversation",
    kind: "lines",
    help: "What the model reads before the first message.",
    initial: "",
    isFull: true,
  },
  number("temperature", "Temperature", "0 always takes the likeliest token.", 0, 2, "0.7"),
  number("top_p", "Top p", "Keep the likeliest tokens that add up to this.", 0, 1, "0.95"),
  number(
    "top_k",
    "Top k",
    "Keep this many of the likeliest tokens; 0 keeps all.",
    0,
    1e6,
    "",
    true,
  ),
  number("min_p", "Min p", "Drop tokens below this share of the likeliest.", 0, 1, ""),
  number(
    "max_tokens",
    "Longest answer",
    "In tokens; empty: what there is room for.",
    1,
    2 ** 24,
    "",
    true,
  ),
  number("seed", "Seed", "Same seed, same answer; empty: random.", 0, 2 ** 32 - 1, "", true),
  {
    name: "stop",
    label: "Stop strings",
    kind: "lines",
    help: "One a line, at most 4. An answer ends before any of them.",
    initial: "",
    isFull: true,
  },
  {
    name: "key",
    label: "API key",
    kind: "secret",
    help: "For servers that want one. It is kept in this browser.",
    initial: "",
  },
  {
    name: "theme",
    label: "Colours",
    kind: "choice",
    help: "",
    initial: "auto",
    choices: [["auto", "As the system has them"], ["light", "Light"], ["dark", "Dark"]],
  },
];

function number(name, label, help, min, max, initial, isInteger = false) {
  return { name, label, kind: "number", help, initial, min, max, isInteger };
}

/** What is wrong with a value, in words; null if nothing is. */
export function faultOf({ kind, name, label, min, max, isInteger }, text) {
  if (name === "stop") {
    return linesOf(text).length > 4 ? "Stop strings: at most 4 lines" : null;
  }
  if (kind !== "number" || text.trim() === "") return null;
  const value = Number(text);
  const isFine = value >= min && value <= max && (!isInteger || Number.isInteger(value));
  const kindName = isInteger ? "a whole number" : "a number";
  return isFine ? null : `${label}: must be ${kindName} from ${min} to ${max}`;
}

function linesOf(text) {
  return text.split("\n").filter((line) => line !== "");
}

/** Fields of a request for an answer, from the settings in force. */
export function requestFields(values) {
  const fields = {};
  for (const { name, kind } of SETTINGS) {
    if (kind === "number" && values[name].trim() !== "") fields[name] = Number(values[name]);
  }
  const stop = linesOf(values.stop);
  if (stop.length > 0) fields.stop = stop;
  return fields;
}

/** Settings in force, and the dialog that changes them. */
export class Settings {
  /** Texts by name. @type {Record<string, string>} */
  values = {};
  #dialog = byId("settings");
  #inputs = new Map();

  constructor() {
    let kept = {};
    try {
      kept = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}");
    } catch {
      // Unreadable or forbidden: the defaults are in force, and saving will say why it cannot.
    }
    for (const { name, initial } of SETTINGS) {
      this.values[name] = typeof kept[name] === "string" ? kept[name] : initial;
    }
    this.#build();
    this.#applyTheme();
  }

  /**
   * Opens the dialog.
   *
   * @param {(problem: Problem | null) => void} onSaved Called when they changed; the problem
   * says why they cannot be kept.
   */
  open(onSaved) {
    for (const [name, input] of this.#inputs) input.value = this.values[name];
    this.#show(null);
    byId("settings-form").onsubmit = (event) => {
      event.preventDefault();
      if (!this.#take()) return;
      this.#dialog.close();
      onSaved(this.#keep());
    };
    this.#dialog.showModal();
  }

  #build() {
    byId("settings-fields").append(...SETTINGS.map((setting) => this.#field(setting)));
    byId("settings-cancel").addEventListener("click", () => this.#dialog.close());
    byId("settings-reset").addEventListener("click", () => {
      for (const { name, initial } of SETTINGS) this.#inputs.get(name).value = initial;
    });
  }

  #field(setting) {
    const { name, label, kind, help, isFull, choices = [] } = setting;
    const id = `setting-${name}`;
    const input = kind === "lines"
      ? make("textarea", { id, rows: 2 })
      : kind === "choice"
      ? make("select", { id }, ...choices.map(([value, text]) => make("option", { value }, text)))
      : make("input", {
        id,
        type: kind === "secret" ? "password" : "text",
        inputmode: kind === "number" ? "decimal" : null,
        placeholder: kind === "number" ? "server's default" : null,
        autocomplete: "off",
        spellcheck: "false",
      });
    if (help !== "") input.setAttribute("aria-describedby", `${id}-help`);
    this.#inputs.set(name, input);
    return make(
      "div",
      { class: isFull ? "full" : null },
      make("label", { for: id }, label),
      input,
      help === "" ? null : make("span", { class: "quiet", id: `${id}-help` }, help),
    );
  }

  /** Reads the inputs; false, and says why, if one is wrong. */
  #take() {
    for (const setting of SETTINGS) {
      const input = this.#inputs.get(setting.name);
      const fault = faultOf(setting, input.value);
      input.setAttribute("aria-invalid", String(fault !== null));
      if (fault === null) continue;
      this.#show(fault);
      input.focus();
      return false;
    }
    for (const [name, input] of this.#inputs) this.values[name] = input.value;
    return true;
  }

  #show(fault) {
    const place = byId("settings-problem");
    place.hidden = fault === null;
    place.textContent = fault ?? "";
  }

  #keep() {
    this.#applyTheme();
    // The system prompt belongs to the conversation and is kept with it.
    const { system: _, ...kept } = this.values;
    try {
      localStorage.setItem(STORAGE_KEY, JSON.stringify(kept));
      return null;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return new Problem("The settings hold for now but could not be kept.", reason);
    }
  }

  #applyTheme() {
    document.documentElement.dataset.theme = this.values.theme;
  }
}
