/**
 * What the tokenizer gives to its users: text to ids and back, and the chat template.
 *
 * @module
 */

/** How text is read by {@link Tokenizer.tokenize}. */
export interface TokenizeOptions {
  /** Whether special tokens written in the text are control tokens; otherwise they are text. */
  parseSpecial: boolean;
  /** Refuses a long text that is sure to take more tokens, instead of tokenizing it. */
  tokenCountMax?: number;
  /** Id of the token that the text follows, which some tokenizers look at; null at the start. */
  after?: number | null;
}

/** Text to token ids and back, by the vocabulary of one model. */
export interface Tokenizer {
  /**
   * Ids of `text`, each in `[0, vocabSize)`; no BOS is added. Bytes for which the vocabulary has no
   * token are left out, or are the unknown token.
   *
   * @throws {EngineError} `invalid_request` if the model file has no tokenizer that is supported.
   * @throws {EngineError} `context_length_exceeded` if a long text takes more than
   * `tokenCountMax`, for sure; shorter ones are tokenized whatever their number.
   */
  tokenize(text: string, options: TokenizeOptions): number[];
  /**
   * Text of `ids`, control tokens as they are written; incomplete UTF-8 becomes U+FFFD.
   *
   * @throws {RangeError} If an id is not in `[0, vocabSize)`.
   */
  detokenize(ids: readonly number[]): string;
  /**
   * The text that {@link tokenize} gives `ids` for: without the space that some tokenizers put in
   * front of a text, and which {@link detokenize} shows.
   *
   * @throws {RangeError} If an id is not in `[0, vocabSize)`.
   */
  textOf(ids: readonly number[]): string;
  /**
   * The bytes one token stands for; a control token's are those of its name.
   *
   * @throws {RangeError} If `id` is not in `[0, vocabSize)`.
   */
  tokenBytes(id: number): Uint8Array;
  /** Whether `id` is a control token such as `<|im_end|>`, not part of the text. */
  isControl(id: number): boolean;
  /** Token ids are `0 ..< vocabSize`. */
  readonly vocabSize: number;
  /** Whether texts have ids and ids texts; no if the model file has no tokenizer for that. */
  readonly hasTexts: boolean;
  /** Ids that end a generation. */
  readonly eosIds: readonly number[];
  /** Id that begins a sequence; null if the model has none. */
  readonly bosId: number | null;
  /** Whether a prompt given as text is to begin with {@link bosId}. */
  readonly addBos: boolean;
  /** Put behind a text that becomes a vector; null if nothing is. */
  readonly addedEosId: number | null;
}

/** A piece of text of a message. */
export interface TextPart {
  type: "text";
  text: string;
}

/** One message of a conversation. */
export interface ChatMessage {
  role: string;
  /** Text, or parts that are joined by line feeds. */
  content: string | readonly TextPart[];
  /** More of it that some templates read, such as `tool_calls` and `reasoning_content`: JSON. */
  extra?: Readonly<Record<string, unknown>>;
  /** Tokens that stand in place of what the template would write of it: an answer as sampled. */
  sampledIds?: readonly number[];
}

/** How a conversation is rendered. */
export interface RenderOptions {
  /** Whether the prompt ends where the assistant's answer begins. */
  addGenerationPrompt: boolean;
  /** Whether the prompt ends within the last message, for the model to continue it. */
  continuesFinal?: boolean;
  /** Tool definitions, given to the template as they are. */
  tools?: readonly Record<string, unknown>[];
  /** As {@link TokenizeOptions.tokenCountMax}. */
  tokenCountMax?: number;
  /** Variables of the template beside those it always has. */
  variables?: Readonly<Record<string, unknown>>;
}

/** A conversation as a prompt. */
export interface RenderedPrompt {
  ids: number[];
  text: string;
  /**
   * Tokens before each place at which a message may end, ascending: the control tokens that the
   * template wrote. None where a template marks messages by text alone.
   */
  messageEnds?: readonly number[];
}

/** Turns a conversation into a prompt. */
export interface ChatTemplate {
  /** Its text; empty if there is none. */
  readonly source: string;
  /** Whether the template reads the variable `name`. */
  reads(name: string): boolean;
  /**
   * Renders `messages` and tokenizes the result; special tokens inside contents stay text.
   *
   * @returns Ids of the prompt, BOS included if the model asks for it, its text, and where its
   * messages end.
   * @throws {EngineError} `invalid_request` with param `messages` if the template refuses them, or
   * does not write a message where its `sampledIds` can stand.
   */
  render(messages: readonly ChatMessage[], options: RenderOptions): RenderedPrompt;
}
