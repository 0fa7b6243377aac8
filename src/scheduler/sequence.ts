import { invariant } from "../core/errors.ts";
import { BLOCK_TOKEN_COUNT, DRAFT_COUNT_MAX, sealedBlockCount } from "../core/shapes.ts";
import { blockNames, rootName } from "./block_name.ts";
import type { CachedItem } from "./block_cache.ts";
import { blockKey, type ItemKind } from "./block_key.ts";
import type { SequenceContext } from "./sequence_context.ts";
import type { OpenSlice, ReadyBlock, SequenceRequest, SwappedState } from "./sequence_parts.ts";
import { Keeping } from "./keep/keeping.ts";
import { NearBlocks } from "./near_blocks.ts";
import { keptBlockCount, type SealPolicy } from "./seal_policies/policy.ts";
import type { StepRate, TokenDrafter } from "./drafter.ts";
import { keptBoundaries, KeptPlaces, rawTilesBefore } from "./prefix.ts";
import type { DecodePlace } from "./step_plan.ts";

/** Priority of answers that are read again: below what callers ask for, however long they wait. */
export const REREAD_PRIORITY = -1_000_000;

/**
 * The state of one request. Planned counts run ahead of what is known: they hold what all planned
 * steps do, while {@link generatedCount} holds only committed tokens.
 *
 *     0 ..< blocks.length      packed
 *     ..< measuredBlockCount   measured, or planned to be
 *     ..< plannedTokenCount    stored in the raw window, or planned to be
 */
export class Sequence {
  readonly request: SequenceRequest;
  /** Order of admission; kept when the sequence is preempted. */
  readonly arrivalIndex: number;
  /** Step that was next when it arrived. */
  readonly arrivalStep: number;
  readonly priority: number;
  /** Names of the blocks of its prompt; none if it shares none. */
  readonly names: readonly string[];
  /** Boundaries of its prompt at which others may begin. */
  readonly boundaries: ReadonlySet<number>;
  /** Slot held, or -1 while waiting. */
  slot = -1;
  #blocks: (CachedItem | null)[] = [];
  #heldCount = 0;
  ready: ReadyBlock[] = [];
  measuredBlockCount = 0;
  plannedTokenCount = 0;
  plannedSampleCount = 0;
  /** Planned steps not yet committed that use the slot or an extent. */
  inFlightCount = 0;
  /** Whether it has finished, failed or been aborted. */
  hasEnded = false;
  /** Prompt tokens whose processing has been reported. */
  reportedTokenCount = 0;
  /** The slice whose first layers are planned, but not its last. */
  slice: OpenSlice | null = null;
  /** Step of its last slice, or of its start. */
  slicedStep = 0;
  /** Prompt tokens found in the cache when it first got a slot; null before. */
  cachedTokenCount: number | null = null;
  /** What it left on the host when it was preempted; null unless it waits for its turn. */
  swapped: SwappedState | null = null;
  /** What moves the tokens that stay of its prompt; null if all stay. */
  readonly keeping: Keeping | null;
  /** What it holds of stores whose rows see their newest tokens only. */
  readonly near: NearBlocks;
  /** What of its prompt is kept for others. */
  #kept: KeptPlaces;
  #ids: number[];
  #policy: SealPolicy;
  /** Whole blocks that stay raw behind its newest tokens. */
  readonly windowBlockCount: number;
  /** Raw tiles that it needs before the block it begins at. */
  readonly rawTileCount: number;
  /** Tokens known when it last started over; those behind the prompt are fed again. */
  #replayed = 0;
  #drafter: TokenDrafter | null;
  /** Guesses in flight; nothing more is planned until they are committed. */
  #draftCount = 0;
  /** Whether the host has to say which token the next row feeds. */
  #feedsKnown = false;
  #finalBlockCount: number;
  /** Most blocks that {@link near} holds at a time. */
  readonly nearCountMax: number;
  /** Sealed blocks when it last started over alone, since no run of memory was free; else -1. */
  startedOverAt = -1;

  constructor(
    request: SequenceRequest,
    arrival: { index: number; step: number },
    context: SequenceContext,
  ) {
    const { prefixRoot, policy, windowBlockCount, rawTileCount, blockEvents } = context;
    this.near = new NearBlocks(context);
    const { promptIds, priority = 0, cacheSalt = "", messageEnds, keep = null } = request;
    this.request = request;
    this.arrivalIndex = arrival.index;
    this.arrivalStep = arrival.step;
    this.priority = priority;
    this.#policy = policy;
    this.windowBlockCount = windowBlockCount;
    this.rawTileCount = rawTileCount;
    const tokenCount = promptIds.length + Math.max(0, request.maxTokens - 1);
    const finalSealedCount = this.sealedAfter(tokenCount);
    this.#finalBlockCount = keptBlockCount(policy, finalSealedCount);
    this.nearCountMax = this.near.countMax(finalSealedCount);
    this.keeping = keep && new Keeping(keep, {
      promptTokenCount: promptIds.length,
      sealedBlockCount: this.sealedAfter(promptIds.length),
      packing: context.packing,
    });
    this.#ids = [...promptIds];
    this.#drafter = request.drafts ? context.createDrafter(this.#ids) : null;
    const nameCount = Math.floor(promptIds.length / BLOCK_TOKEN_COUNT);
    this.names = prefixRoot === null
      ? []
      : blockNames(rootName([prefixRoot, cacheSalt]), promptIds, nameCount);
    if (cacheSalt === "") blockEvents?.describe(this.names, promptIds);
    const boundaries = keptBoundaries(promptIds.length, messageEnds);
    this.boundaries = new Set(this.names.length === 0 ? [] : boundaries);
    this.#kept = new KeptPlaces(this.boundaries, this);
  }

  /** Tokens of its prompt, and those generated by committed steps. */
  get ids(): readonly number[] {
    return this.#ids;
  }

  /** Tokens generated by committed steps. */
  get generatedCount(): number {
    return this.#ids.length - this.request.promptIds.length;
  }

  /** Prompt tokens still to be stored. */
  get remainingPromptCount(): number {
    return Math.max(0, this.request.promptIds.length - this.plannedTokenCount);
  }

  /** Whether prompt tokens are still to be stored. */
  get isPrefilling(): boolean {
    return this.remainingPromptCount > 0;
  }

  /** Whether it is an answer that is read again for the next turn, and nobody waits for it. */
  get isReread(): boolean {
    return this.priority === REREAD_PRIORITY;
  }

  /** Whether every token it may generate is planned. */
  get isPlannedOut(): boolean {
    return !this.isPrefilling && this.plannedSampleCount === this.request.maxTokens;
  }

  /** Blocks kept when it ends at its full length; the last token is never stored. */
  get finalBlockCount(): number {
    const movedCount = this.#blocks.length - this.#heldCount;
    return this.keeping === null ? this.#finalBlockCount : this.#finalBlockCount - movedCount;
  }

  /** By block index; null for one that the policy drops. */
  get blocks(): readonly (CachedItem | null)[] {
    return this.#blocks;
  }

  /** Adds the next block, null if it is dropped; the entry of the read list that it becomes. */
  addBlock(item: CachedItem | null): number {
    this.#blocks.push(item);
    return item === null ? this.#heldCount : this.#heldCount++;
  }

  /** Whether a block is kept once it leaves the window. */
  keeps(blockIndex: number): boolean {
    return this.#policy.keeps(blockIndex);
  }

  /** How many blocks it holds. */
  get heldCount(): number {
    return this.#heldCount;
  }

  /** The blocks it holds, in order. */
  get heldBlocks(): CachedItem[] {
    const held = this.blocks.filter((item) => item !== null);
    return [...held, ...this.keeping?.moved ?? []];
  }

  /**
   * Takes a block that is made of what stays of its prompt; the last one ends the move.
   *
   * @returns The old blocks that are not needed any more, the deepest first.
   */
  addGathered(item: CachedItem): CachedItem[] {
    const keeping = this.keeping!;
    const needed = keeping.add(item);
    const released: CachedItem[] = [];
    for (let index = (needed ?? this.#blocks.length) - 1; index >= 0; index--) {
      const old = this.#blocks[index];
      if (old !== null) released.push(old);
      this.#blocks[index] = null;
    }
    this.#heldCount -= released.length;
    if (needed !== null) return released;
    keeping.finish().forEach((moved, index) => this.#blocks[index] = moved);
    this.#heldCount = this.#blocks.filter((block) => block !== null).length;
    return released;
  }

  /** What its next rows read: the entries of its read list, then the window behind its blocks. */
  get reads(): { listCount: number; firstWindowBlock: number } {
    return { listCount: this.#heldCount, firstWindowBlock: this.#blocks.length };
  }

  /** What a block of the prompt is found by; null for one that is not shared. */
  keyOf(blockIndex: number, kind: ItemKind): string | null {
    const name = this.names.at(blockIndex);
    return name === undefined ? null : blockKey(name, kind);
  }

  /** What a block of its own is found by, of stores that do not keep all; null if by nobody. */
  ownNearKey(blockIndex: number): string | null {
    return this.#kept.hasNear(blockIndex) ? this.keyOf(blockIndex, "near") : null;
  }

  /** Takes what no further row of it reaches, the deepest first. */
  takePassed(): CachedItem[] {
    // Where it can begin again, should it be swapped out now.
    const stored = Math.floor(this.plannedTokenCount / BLOCK_TOKEN_COUNT);
    return this.near.takePassed(Math.min(stored, this.#blocks.length + this.windowBlockCount));
  }

  /** Sealed blocks that it needs to begin at block `boundary`. */
  sealedBefore(boundary: number): number {
    return this.sealedAfter(boundary * BLOCK_TOKEN_COUNT);
  }

  /** Indexes of the raw tiles that it needs to begin at block `boundary`. */
  rawTilesBefore(boundary: number): number[] {
    return rawTilesBefore(boundary, this.rawTileCount);
  }

  /** Prompt tokens of which all but the last may be taken from the cache. */
  get prefixTokenCount(): number {
    return this.request.promptIds.length - (this.keeping?.observedCount ?? 1) + 1;
  }

  /**
   * Begins behind what the tiers have of it; `sharedCount` blocks of the prompt are known there.
   * One that was preempted may begin behind its prompt.
   */
  begin(boundary: number, options: { step: number; sharedCount: number }): void {
    invariant(this.plannedTokenCount === 0, "a sequence begins once");
    this.plannedTokenCount = boundary * BLOCK_TOKEN_COUNT;
    const behindPromptCount = this.plannedTokenCount - this.request.promptIds.length;
    this.plannedSampleCount = Math.max(0, behindPromptCount + 1);
    this.measuredBlockCount = this.sealedBefore(boundary);
    if (behindPromptCount >= 0) this.keeping?.restart(true);
    this.slicedStep = options.step;
    this.cachedTokenCount ??= this.plannedTokenCount;
    // A third prompt may part from this one where another prompt does.
    this.#kept.add(options.sharedCount);
  }

  /**
   * The slice it is in, or the next one: prompt tokens up to the next multiple of `sizeMax`, which
   * divides the size of a block.
   */
  openSlice(sizeMax: number): OpenSlice {
    invariant(this.isPrefilling, "a slice holds a token");
    if (this.slice) return this.slice;
    const { promptIds } = this.request;
    const position = this.plannedTokenCount;
    const boundary = position - (position % sizeMax) + sizeMax;
    const ids = promptIds.slice(position, Math.min(boundary, promptIds.length));
    this.slice = { position, ids, nextLayer: 0 };
    return this.slice;
  }

  /** Plans the last layers of the open slice; whether the last prompt token is in it. */
  completeSlice(): boolean {
    invariant(this.slice !== null, "a slice is open");
    this.plannedTokenCount = this.slice.position + this.slice.ids.length;
    this.slice = null;
    const isLast = !this.isPrefilling && this.request.maxTokens > 0;
    if (isLast) this.plannedSampleCount++;
    if (isLast && !this.isPlannedOut) this.keeping?.expectScores();
    return isLast;
  }

  /** Whether a further step of it can be planned now. */
  get canDecode(): boolean {
    const isReady = !this.isPrefilling && !this.keeping?.isPending;
    return isReady && !this.isPlannedOut && this.#draftCount === 0;
  }

  /**
   * Plans storing the newest token and sampling the next, and the same for guesses that follow.
   * They complete no block: what is sealed must be right.
   *
   * @param draftCountMax Most guesses.
   * @param rateOf What further ones make of the step.
   */
  takeDecode(draftCountMax: number, rateOf: StepRate): DecodePlace {
    invariant(this.canDecode, "decode begins after prefill, within what was asked for");
    this.plannedSampleCount++;
    const position = this.plannedTokenCount++;
    const isKnown = this.#feedsKnown || this.#replayed > position;
    this.#feedsKnown = false;
    const draftIds = this.#propose(position, draftCountMax, rateOf);
    this.#draftCount = draftIds.length;
    this.plannedSampleCount += draftIds.length;
    this.plannedTokenCount += draftIds.length;
    return { position, knownId: isKnown ? this.#ids[position] : null, draftIds };
  }

  #propose(position: number, draftCountMax: number, rateOf: StepRate): number[] {
    const inBlock = BLOCK_TOKEN_COUNT - 1 - this.plannedTokenCount % BLOCK_TOKEN_COUNT;
    const isReplaying = this.#replayed > position;
    const isComplete = this.plannedTokenCount % BLOCK_TOKEN_COUNT === 0;
    if (this.#drafter === null || isReplaying || isComplete) return [];
    const leftCount = this.request.maxTokens - this.plannedSampleCount;
    const countMax = Math.min(draftCountMax, inBlock, leftCount, DRAFT_COUNT_MAX);
    const inFlightCount = position + 1 - this.#ids.length;
    return countMax > 0 ? this.#drafter.propose(inFlightCount, countMax, rateOf) : [];
  }

  /** Takes back what was planned for guesses that were wrong. */
  settleDrafts(rightCount: number): void {
    const wrongCount = this.#draftCount - rightCount;
    this.plannedTokenCount -= wrongCount;
    this.plannedSampleCount -= wrongCount;
    this.#drafter?.learn(this.#draftCount, rightCount);
    this.#draftCount = 0;
    this.#feedsKnown = true;
  }

  /** The block whose raw tile the planned tokens complete, if it is kept for others; else null. */
  completedKeptTile(): number | null {
    const tile = Math.floor(this.plannedTokenCount / BLOCK_TOKEN_COUNT) - 1;
    const isComplete = this.plannedTokenCount % BLOCK_TOKEN_COUNT === 0;
    return isComplete && this.#kept.hasRaw(tile) && tile < this.names.length ? tile : null;
  }

  /** Generated tokens that are stored, or planned to be. */
  get storedIds(): readonly number[] {
    return this.#ids.slice(this.request.promptIds.length, this.plannedTokenCount);
  }

  /** Whether the token that a row at `position` samples is known from before a preemption. */
  isKnownSample(position: number): boolean {
    return position + 1 < this.#ids.length;
  }

  /** Indexes of blocks that the planned tokens complete and no step has measured. */
  takeMeasures(): number[] {
    const indexes: number[] = [];
    // A sequence without a further step has no reader for another block.
    if (this.isPlannedOut) return indexes;
    const end = this.sealedAfter(this.plannedTokenCount);
    while (this.measuredBlockCount < end) indexes.push(this.measuredBlockCount++);
    return indexes;
  }

  /** Adds a sampled token. */
  append(id: number): void {
    this.#ids.push(id);
    invariant(this.generatedCount <= this.plannedSampleCount, "a token was planned before it came");
  }

  /**
   * Back to waiting, with nothing stored. What it generated and did not leave on the host is
   * decoded again by the same steps, so that every bit is as it was.
   */
  restart(): void {
    invariant(this.inFlightCount === 0, "no step uses a preempted sequence");
    this.slot = -1;
    this.#blocks = [];
    this.near.clear();
    this.#heldCount = 0;
    this.ready = [];
    this.slice = null;
    this.keeping?.restart(false);
    this.measuredBlockCount = 0;
    this.plannedTokenCount = 0;
    this.plannedSampleCount = 0;
    this.#draftCount = 0;
    this.#feedsKnown = false;
    this.#replayed = this.#ids.length;
  }

  /** Blocks that are sealed once so many tokens are stored. */
  sealedAfter(tokenCount: number): number {
    return sealedBlockCount(tokenCount, this.windowBlockCount);
  }

  /** Whether it still stores tokens that it had stored before it started over. */
  get isReplaying(): boolean {
    return this.plannedTokenCount < this.#replayed;
  }
}
