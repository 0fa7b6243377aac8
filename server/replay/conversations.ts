/**
 * How the server keeps conversations from being read twice: what it does beside the cache of
 * prefixes.
 *
 * @module
 */

/** What is done; all of it if left out. */
export interface ConversationOptions {
  /** Answers are read again as prompts are, so that the next turn finds them in the cache. */
  rereads?: boolean;
}

/** The conversations of one model. */
export class Conversations {
  /** Whether answers are read again for the next turn. */
  readonly rereads: boolean;

  constructor({ rereads = true }: ConversationOptions = {}) {
    this.rereads = rereads;
  }
}
