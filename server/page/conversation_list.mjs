/** The list of kept conversations; a drawer where there is no room for it. */

import { byId, iconButton, make } from "./dom.mjs";
import { titleOf } from "./store.mjs";

/** The list. */
export class ConversationList {
  #side = byId("side");
  #toggle = byId("open-list");
  #actions;

  /** @param {Record<"open" | "remove", (id: string) => void> & { new: () => void }} actions */
  constructor(actions) {
    this.#actions = actions;
    const narrow = matchMedia("(max-width: 46rem)");
    narrow.addEventListener("change", () => this.close());
    this.#toggle.addEventListener("click", () => this.#setOpen(true));
    byId("shade").addEventListener("click", () => this.close());
    this.#side.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || byId("shade").hidden) return;
      this.close();
      this.#toggle.focus();
    });
    byId("new-conversation").addEventListener("click", () => {
      this.close();
      actions.new();
    });
  }

  /** Shows `conversations`, the one of `currentId` marked. */
  show(conversations, currentId) {
    byId("no-conversations").hidden = conversations.length > 0;
    byId("conversations").replaceChildren(...conversations.map((conversation) => {
      const title = titleOf(conversation);
      const isCurrent = conversation.id === currentId;
      const open = make("button", {
        type: "button",
        class: "open",
        title,
        "aria-current": isCurrent ? "page" : null,
        onclick: () => {
          this.close();
          this.#actions.open(conversation.id);
        },
      }, title);
      const remove = () => this.#actions.remove(conversation.id);
      return make("li", {}, open, iconButton("bin", `Delete “${title}”`, remove));
    }));
  }

  /** Closes the drawer, if it is one. */
  close() {
    this.#setOpen(false);
  }

  #setOpen(isOpen) {
    this.#side.classList.toggle("is-open", isOpen);
    byId("shade").hidden = !isOpen;
    this.#toggle.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) byId("new-conversation").focus();
  }
}
