/** Nodes, regions and settings said in words. */
import type { Ask, Node, Queue, Region, Settings } from "../api/types";

/** What a node is called: its name, else what was asked. */
export function nameOf(node: Node): string {
  return node.label || askedOf(node);
}

export function askedOf(node: Node): string {
  if (!node.request) return "The first picture";
  return (
    node.request.instruction ||
    (node.request.references?.length ? "Put in the reference" : "An edit without words")
  );
}

export function regionInWords(region: Region | null | undefined): string {
  if (!region) return "Whole picture";
  const inside = (words: string) => (region.invert ? `All but ${words}` : words);
  const numbers = (region.numbers ?? []).map((number) => Math.round(number)).join(", ");
  switch (region.kind) {
    case "whole":
      return "Whole picture";
    case "auto":
      return inside("where the words say");
    case "phrase":
      return inside(`“${region.phrase}”`);
    case "point":
      return inside(`the object at ${numbers}`);
    case "box":
      return inside(`the box ${numbers}`);
    case "mask":
      return inside("a painted area");
  }
}

/** What a finder says of itself, without its own name and score: `phrase 'the sofa' (pocket/segmenter, 0.79)`. */
export function foundInWords(found: string | null): string {
  const [, phrase] = /^phrase '(.+)' \(/.exec(found ?? "") ?? [];
  if (phrase) return `“${phrase}”`;
  return /^point [\d., ]+\(/.test(found ?? "") ? "the object there" : (found ?? "a region");
}

export interface Row {
  readonly name: string;
  readonly value: string;
}

const settingNames: Record<Exclude<keyof Settings, "region" | "reference">, string> = {
  steps: "Steps",
  text_guidance: "Follow the words",
  image_guidance: "Keep the picture",
  seed: "Seed",
  negative: "Avoid",
  scheduler: "Scheduler",
  keep_detail: "Fine detail of the original",
  profile: "Speed",
};

function valueInWords(value: string | number | boolean): string {
  if (typeof value === "boolean") return value ? "kept" : "not kept";
  return String(value);
}

/** Every part of a request that is known, in the order of interest. */
export function rowsOf(ask: Ask): Row[] {
  const rows: Row[] = [{ name: "Where", value: regionInWords(ask.region) }];
  const references = ask.references ?? [];
  if (references.length > 0) rows.push({ name: "References", value: String(references.length) });
  if (ask.model) rows.push({ name: "Model", value: ask.model });
  const settings = ask.settings ?? {};
  for (const [key, name] of Object.entries(settingNames) as [keyof typeof settingNames, string][]) {
    const value = settings[key];
    if (value !== null && value !== undefined && value !== "")
      rows.push({ name, value: valueInWords(value) });
  }
  const { region, reference } = settings;
  if (region?.grow != null) rows.push({ name: "Grow region", value: `${region.grow} px` });
  if (region?.feather != null) rows.push({ name: "Soft edge", value: `${region.feather} px` });
  if (reference?.detail != null) rows.push({ name: "Reference detail", value: String(reference.detail) });
  if (reference?.words != null) rows.push({ name: "Reference words", value: String(reference.words) });
  return rows;
}

export interface Making {
  readonly words: string;
  /** Why it may take a while, where that is known. */
  readonly why: string | null;
}

const readsOnce = "A model is read once after the server starts; the next edits begin at once.";

/** How far a node is that is not made yet. */
export function makingInWords(node: Node, queue: Queue | undefined): Making {
  const { progress, place, state } = node;
  if (state === "running" && progress)
    return { words: `Step ${progress.done} of ${progress.total}`, why: null };
  if (state === "waiting") {
    if (queue?.paused) return { words: "Paused", why: "It goes on when the queue does: see above." };
    if (place && place > 1) return { words: `Waiting, number ${place}`, why: null };
    if (queue?.workers === 0)
      return { words: "Waiting for a worker", why: "It is made as soon as one runs on the server." };
  }
  if (queue?.loading?.length) return { words: "Loading the model", why: readsOnce };
  if (state === "waiting" && queue?.running)
    return { words: "Next", why: "It begins after what is in work." };
  if (state === "waiting")
    return { words: "Next", why: "A server that has just started needs a while before its first edit." };
  return { words: "Getting ready", why: readsOnce };
}

/** A node for a screen reader: what stands over it, what was asked, state, star, children. */
export function spoken(node: Node, children: number, caption: string): string {
  const parts = [caption];
  if (caption !== askedOf(node)) parts.push(askedOf(node));
  if (node.state === "running" && node.progress)
    parts.push(`being made, ${node.progress.done} of ${node.progress.total} steps`);
  else if (node.state === "waiting")
    parts.push(node.place ? `waiting, number ${node.place} in the queue` : "waiting");
  else if (node.state === "running") parts.push("getting ready");
  else if (node.state === "cancelled") parts.push("stopped");
  else if (node.state === "failed") parts.push("failed");
  if (node.starred) parts.push("starred");
  if (node.pruned) parts.push("pruned");
  if (children > 0) parts.push(children === 1 ? "1 picture below" : `${children} pictures below`);
  return parts.join(", ");
}

const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const units: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/** "3 minutes ago", "yesterday"; a date where it is more than a month. */
export function when(time: string, now: number = Date.now()): string {
  const seconds = (new Date(time).getTime() - now) / 1000;
  if (Math.abs(seconds) > 30 * 86400)
    return new Date(time).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
  for (const [unit, size] of units)
    if (Math.abs(seconds) >= size) return ago.format(Math.round(seconds / size), unit);
  return "just now";
}
