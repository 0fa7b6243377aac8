/** Conversations, kept in this browser's IndexedDB. */

import { Problem } from "./problems.mjs";

/**
 * @typedef {{ name: string, text: string }} TextFile
 * @typedef {{
 *   role: "user" | "assistant",
 *   content: string,
 *   file?: TextFile,
 *   state?: "done" | "stopped" | "failed",
 *   note?: string,
 *   turn?: Record<string, any>,
 * }} Message
 * @typedef {{
 *   id: string, title: string, createdMs: number, updatedMs: number, system: string,
 *   messages: Message[],
 * }} Conversation
 */

const DATABASE = "packkv";
const STORE = "conversations";

function toPromise(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function isFull(error) {
  return error?.name === "QuotaExceededError";
}

/** Holds conversations; every failure is a {@link Problem} that says what is lost. */
export class ConversationStore {
  #database = null;

  async #open() {
    if (this.#database !== null) return this.#database;
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    this.#database = await toPromise(request);
    return this.#database;
  }

  async #run(mode, work) {
    const database = await this.#open();
    const transaction = database.transaction(STORE, mode);
    const ended = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const [result] = await Promise.all([toPromise(work(transaction.objectStore(STORE))), ended]);
    return result;
  }

  /** @returns {Promise<Conversation[]>} All of them, newest first. */
  async list() {
    try {
      const all = await this.#run("readonly", (store) => store.getAll());
      return all.sort((a, b) => b.updatedMs - a.updatedMs);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Problem("Cannot read the kept conversations.", `The browser says: ${reason}`);
    }
  }

  /** @param {Conversation} conversation Takes the place of the one with its id. */
  async save(conversation) {
    try {
      await this.#run("readwrite", (store) => store.put(conversation));
    } catch (error) {
      const reason = isFull(error)
        ? "The browser's storage is full. Delete old conversations to make room."
        : `The browser says: ${error instanceof Error ? error.message : error}`;
      throw new Problem("This conversation could not be kept.", reason);
    }
  }

  /** Deletes one, if it is there. */
  async remove(id) {
    try {
      await this.#run("readwrite", (store) => store.delete(id));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Problem("The conversation could not be deleted.", `The browser says: ${reason}`);
    }
  }
}

/** @returns {Conversation} A new one, not kept yet. */
export function newConversation(system) {
  const nowMs = Date.now();
  const id = crypto.getRandomValues(new Uint32Array(4)).join("-");
  return { id, title: "", createdMs: nowMs, updatedMs: nowMs, system, messages: [] };
}

/** What a conversation is called: the first words of its first question. */
export function titleOf(conversation) {
  const [first] = conversation.messages;
  if (first === undefined) return "New conversation";
  const text = first.content.trim().replace(/\s+/g, " ") || first.file?.name || "Untitled";
  return text.length <= 60 ? text : `${text.slice(0, 59).trimEnd()}…`;
}

/** The text the model gets for a message: a file stands before the question about it. */
export function textForModel({ content, file }) {
  if (file === undefined) return content;
  return `File ${file.name}:\n\n${file.text.trimEnd()}\n\n${content}`.trimEnd();
}
