/** The page: holds the conversation in hand and ties its parts together. */

import { Api } from "./api.mjs";
import { Composer } from "./composer.mjs";
import { ConversationList } from "./conversation_list.mjs";
import { byId } from "./dom.mjs";
import { AnswerView, userArticle } from "./message_view.mjs";
import { Meter } from "./meter.mjs";
import { Problem } from "./problems.mjs";
import { requestFields, Settings } from "./settings.mjs";
import { ConversationStore, newConversation, textForModel, titleOf } from "./store.mjs";
import { TurnClock } from "./turn.mjs";

const LOADING_INTERVAL_MS = 1000;
const FOLLOW_DISTANCE_PX = 80;

class Page {
  #settings = new Settings();
  #api = new Api(() => this.#settings.values.key);
  #store = new ConversationStore();
  #meter = new Meter(this.#api);
  #conversations = [];
  #conversation = newConversation("");
  #answering = null;
  /** Whether what is shown above the form is that the server could not be reached. */
  #hasFailed = false;
  /** What buttons in messages and notices do. */
  #actions = {
    copy: (text) => this.#copy(text),
    retry: () => this.#retry(),
    settings: () => this.#openSettings(),
    new: () => this.#new(),
  };
  #composer = new Composer({
    ...this.#actions,
    send: (text, file) => this.#send(text, file),
    stop: () => this.#answering?.abort(),
    countTokens: (text, signal) => this.#api.countTokens(text, signal),
  });
  #list = new ConversationList({
    new: () => this.#new(),
    open: (id) => this.#open(id),
    remove: (id) => this.#remove(id),
  });

  async start() {
    byId("open-settings").addEventListener("click", () => this.#openSettings());
    this.#render();
    this.#composer.focus();
    try {
      this.#conversations = await this.#store.list();
      this.#showList();
    } catch (error) {
      this.#report(error);
    }
    await this.#connect();
  }

  /** Waits for the model. */
  async #connect() {
    try {
      const { data: models } = await this.#api.json("v1/models");
      const model = models.find(({ status }) => status.value === "loaded") ?? models[0];
      this.#api.model = model.id;
      byId("model").textContent = model.id;
      this.#meter.start(model);
      this.#meter.showTurn(this.#lastTurn());
      if (this.#hasFailed) this.#composer.showProblem(null);
      this.#hasFailed = false;
    } catch (error) {
      this.#hasFailed = true;
      this.#report(error);
      const isLoading = error instanceof Problem && error.status === 503;
      byId("model").textContent = isLoading ? "loading the model…" : "not connected";
      if (isLoading) setTimeout(() => this.#connect(), LOADING_INTERVAL_MS);
    }
  }

  #new() {
    this.#show(newConversation(this.#conversation.system));
  }

  #open(id) {
    const found = this.#conversations.find((each) => each.id === id);
    if (found !== undefined && found !== this.#conversation) this.#show(found);
  }

  #show(conversation) {
    this.#answering?.abort();
    this.#conversation = conversation;
    this.#composer.showProblem(null);
    this.#render();
    this.#showList();
    this.#composer.focus();
  }

  async #remove(id) {
    const conversation = this.#conversations.find((each) => each.id === id);
    if (conversation === undefined) return;
    const isSure = await confirmByDialog(`Delete “${titleOf(conversation)}”?`);
    if (!isSure) return;
    if (conversation === this.#conversation) this.#new();
    this.#conversations = this.#conversations.filter((each) => each.id !== id);
    this.#showList();
    await this.#store.remove(id).catch((error) => this.#report(error));
  }

  #openSettings() {
    this.#settings.values.system = this.#conversation.system;
    this.#settings.open((problem) => {
      this.#conversation.system = this.#settings.values.system;
      if (this.#conversation.messages.length > 0) this.#keep();
      this.#composer.showProblem(problem);
      this.#connect();
    });
  }

  #send(text, file) {
    const message = { role: "user", content: text, ...(file === null ? {} : { file }) };
    this.#conversation.messages.push(message);
    byId("empty").hidden = true;
    byId("log").append(userArticle(message));
    this.#answer();
  }

  /** Answers the last question again. */
  #retry() {
    if (this.#answering !== null) return;
    const { messages } = this.#conversation;
    if (messages.at(-1)?.role === "assistant") messages.pop();
    if (messages.length === 0) return this.#connect();
    this.#composer.showProblem(null);
    this.#render();
    this.#answer();
  }

  async #answer() {
    const conversation = this.#conversation;
    const controller = new AbortController();
    this.#answering = controller;
    const request = this.#requestFor(conversation);
    const clock = new TurnClock();
    const message = { role: "assistant", content: "", state: "done", turn: clock.turn };
    conversation.messages.push(message);
    conversation.updatedMs = Date.now();
    if (!this.#conversations.includes(conversation)) this.#conversations.unshift(conversation);
    this.#keep();
    this.#showList();
    const view = this.#renderLastAnswer();
    this.#setBusy(true);
    view.begin();
    this.#follow();
    let problem = null;
    try {
      for await (const event of this.#api.chat(request, controller.signal)) {
        clock.take(event, performance.now());
        this.#takeEvent(event, message, view);
        if (conversation !== this.#conversation) continue;
        this.#meter.showTurn(clock.turn);
        this.#composer.showReading(clock.turn);
      }
    } catch (error) {
      message.state = controller.signal.aborted ? "stopped" : "failed";
      if (!controller.signal.aborted) problem = toProblem(error);
    }
    if (this.#answering === controller) {
      this.#answering = null;
      this.#setBusy(false);
    }
    const isNear = this.#isNearEnd();
    view.finish({ canRetry: true, problem });
    say(describeEnd(message, problem));
    if (isNear && conversation === this.#conversation) this.#follow();
    this.#keep(conversation);
  }

  #takeEvent(event, message, view) {
    if (event.type === "text") {
      const isNear = this.#isNearEnd();
      message.content += event.text;
      view.grow();
      if (isNear) requestAnimationFrame(() => this.#follow());
    } else if (event.type === "finish" && event.reason === "length") {
      message.note = "cut at its longest";
    }
  }

  #requestFor({ system, messages }) {
    const known = messages
      .filter(({ role, content }) => role === "user" || content !== "")
      .map((message) => ({ role: message.role, content: textForModel(message) }));
    return {
      messages: system.trim() === "" ? known : [{ role: "system", content: system }, ...known],
      ...requestFields(this.#settings.values),
    };
  }

  #setBusy(isBusy) {
    this.#composer.setBusy(isBusy);
    this.#meter.setBusy(isBusy);
  }

  #render() {
    const { messages } = this.#conversation;
    byId("empty").hidden = messages.length > 0;
    byId("log").replaceChildren(...messages.map((message, index) => {
      if (message.role === "user") return userArticle(message);
      const view = new AnswerView(message, this.#actions);
      view.finish({ canRetry: index === messages.length - 1 });
      return view.element;
    }));
    this.#showTitle();
    this.#meter.showTurn(this.#lastTurn());
    this.#follow();
  }

  #renderLastAnswer() {
    // The answer before it can no longer be asked for again.
    const old = byId("log").querySelector(
      "article.assistant:last-of-type [aria-label='Answer again']",
    );
    old?.remove();
    const view = new AnswerView(this.#conversation.messages.at(-1), this.#actions);
    byId("log").append(view.element);
    this.#showTitle();
    return view;
  }

  #showTitle() {
    const title = titleOf(this.#conversation);
    byId("title").textContent = title;
    document.title = `${title} · PackKV Serve`;
  }

  #showList() {
    this.#conversations.sort((a, b) => b.updatedMs - a.updatedMs);
    this.#list.show(this.#conversations, this.#conversation.id);
  }

  #lastTurn() {
    return this.#conversation.messages.findLast(({ turn }) => turn !== undefined)?.turn ?? null;
  }

  #isNearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = byId("log-scroll");
    return scrollHeight - scrollTop - clientHeight < FOLLOW_DISTANCE_PX;
  }

  #follow() {
    const log = byId("log-scroll");
    log.scrollTop = log.scrollHeight;
  }

  #keep(conversation = this.#conversation) {
    if (!this.#conversations.includes(conversation)) return; // deleted meanwhile
    this.#store.save(conversation).catch((error) => this.#report(error));
  }

  #report(error) {
    this.#composer.showProblem(toProblem(error));
  }

  async #copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      say("Copied");
    } catch {
      this.#report(new Problem("Cannot copy.", "The browser allows it on secure addresses only."));
    }
  }
}

function toProblem(error) {
  if (error instanceof Problem) return error;
  console.error(error);
  const reason = error instanceof Error ? error.message : String(error);
  return new Problem("Something went wrong in this page.", reason, { action: "retry" });
}

function describeEnd({ state, turn }, problem) {
  if (problem !== null) return `${problem.message} ${problem.advice}`;
  if (state === "stopped") return "Answer stopped";
  return turn.completionCount
    ? `Answer finished, ${turn.completionCount} tokens`
    : "Answer finished";
}

/** For screen readers only. */
function say(text) {
  byId("status").textContent = text;
}

function confirmByDialog(question) {
  const dialog = byId("confirm");
  byId("confirm-text").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

await new Page().start();
