/** An edit that is being put together: what stands in the composer, per picture. */
import { useSyncExternalStore } from "react";
import type {
  Ask,
  BranchAsk,
  Node,
  Reference,
  ReferenceHow,
  Region,
  RegionHow,
  Settings,
} from "../api/types";
import { forgetDrafts, keepDraft, keptDraft, storeOfBrowser } from "./kept";

export interface Draft {
  readonly instruction: string;
  readonly model: string | null;
  readonly count: number;
  readonly settings: Settings;
  readonly region: Region | null;
  readonly references: readonly Reference[];
}

export const emptyDraft: Draft = {
  instruction: "",
  model: null,
  count: 1,
  settings: {},
  region: null,
  references: [],
};

/** Whether there is something to ask for. */
export function isReady(draft: Draft): boolean {
  return draft.instruction.trim() !== "" || draft.references.length > 0;
}

export function askOf(draft: Draft): BranchAsk {
  return {
    instruction: draft.instruction.trim(),
    model: draft.model,
    count: draft.count,
    settings: draft.settings,
    region: draft.region,
    references: [...draft.references],
  };
}

/** The request of a node as a draft, to be asked again with changes: all but the seed, unless `sameSeed`. */
export function draftOf(ask: Ask, sameSeed: boolean): Draft {
  const settings: Settings = { ...(ask.settings ?? {}) };
  if (!sameSeed) settings.seed = null;
  return {
    instruction: ask.instruction ?? "",
    model: ask.model ?? null,
    count: 1,
    settings,
    region: ask.region ?? null,
    references: ask.references ?? [],
  };
}

const isSet = (value: unknown) => value !== null && value !== undefined && value !== "";

/** How many settings are not the model's own, but for those of the region and the references, which stand with them. */
export function changedSettings(draft: Draft): number {
  const others = Object.entries(draft.settings).filter(([key]) => key !== "region" && key !== "reference");
  return others.filter(([, value]) => isSet(value)).length + (draft.model ? 1 : 0);
}

/** How the region's edge or the references are treated, or null where all of it is the model's own. */
export function howOf<How extends RegionHow | ReferenceHow>(how: How): How | null {
  return Object.values(how).some(isSet) ? how : null;
}

/** What stays in the composer once a draft was sent: settings, model and count, for another try. */
export function afterSending(draft: Draft): Draft {
  const { settings, model, count } = draft;
  return { ...emptyDraft, settings: { ...settings, region: null, reference: null }, model, count };
}

/** The other tries from the same parent with the same words, the node among them, in order. */
export function attemptsOf(node: Node, siblings: readonly Node[]): Node[] {
  return siblings.filter((other) => other.request && other.request.instruction === node.request?.instruction);
}

const drafts = new Map<string, Draft>();
const listeners = new Set<() => void>();

function draftFor(node: string): Draft {
  const known = drafts.get(node);
  if (known) return known;
  const draft = { ...emptyDraft, ...keptDraft(storeOfBrowser(), node) };
  drafts.set(node, draft);
  return draft;
}

/** Whether nothing was said or set: such a draft is not kept. */
export function isEmpty(draft: Draft): boolean {
  const { instruction, count, region, references, settings } = draft;
  const how = howOf(settings.region ?? {}) ?? howOf(settings.reference ?? {});
  const said = instruction !== "" || count !== 1 || region !== null || references.length > 0;
  return !said && changedSettings(draft) === 0 && how === null;
}

export function setDraft(node: string, draft: Draft): void {
  drafts.set(node, draft);
  keepDraft(storeOfBrowser(), node, isEmpty(draft) ? null : draft);
  listeners.forEach((listener) => listener());
}

/** Forget what everybody typed at this browser. */
export function forgetAllDrafts(): void {
  drafts.clear();
  forgetDrafts(storeOfBrowser());
  listeners.forEach((listener) => listener());
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The draft for edits of a picture, and how to change it; it outlives the page, until it is sent. */
export function useDraft(node: string): [Draft, (change: Partial<Draft>) => void] {
  const draft = useSyncExternalStore(subscribe, () => draftFor(node));
  return [draft, (change) => setDraft(node, { ...draftFor(node), ...change })];
}

/** The uploads that a draft names: its references, and the mask of a painted region. */
export function uploadsOf(draft: Draft): string[] {
  const mask = draft.region?.upload;
  return [...draft.references.map(({ upload }) => upload), ...(mask ? [mask] : [])];
}

/** A draft without uploads that are gone; what was set for them goes too. */
export function withoutUploads(draft: Draft, gone: ReadonlySet<string>): Draft {
  const references = draft.references.filter(({ upload }) => !gone.has(upload));
  const region = draft.region?.upload && gone.has(draft.region.upload) ? null : draft.region;
  const settings = {
    ...draft.settings,
    region: region ? draft.settings.region : null,
    reference: references.length > 0 ? draft.settings.reference : null,
  };
  return { ...draft, references, region, settings };
}
