import { describe, expect, it } from "vitest";
import type { Node, Queue } from "../api/types";
import { makeNode } from "./testing";
import { foundInWords, makingInWords, nameOf, regionInWords, rowsOf, spoken, when } from "./words";

describe("words", () => {
  it("call a node by its name, else by what was asked", () => {
    expect(nameOf(makeNode("a", "r"))).toBe("make a");
    expect(nameOf(makeNode("a", "r", { label: "Green" }))).toBe("Green");
    expect(nameOf(makeNode("r", null))).toBe("The first picture");
  });

  it("say what was found without who found it", () => {
    expect(foundInWords("phrase 'the sofa's leg' (pocket/segmenter, 0.79)")).toBe("“the sofa's leg”");
    expect(foundInWords("point 205,348 (pocket/segmenter)")).toBe("the object there");
    expect(foundInWords("a box")).toBe("a box");
    expect(foundInWords(null)).toBe("a region");
  });

  it("say how far a picture is that is not made yet", () => {
    const queue: Queue = { waiting: 1, running: 0, paused: false, workers: 1, loading: [] };
    const said = (node: Partial<Node>, more: Partial<Queue> = {}) =>
      makingInWords(makeNode("a", "r", node), { ...queue, ...more }).words;
    const waiting = { state: "waiting", place: 1 } as const;
    const running = { state: "running" } as const;
    expect(said(waiting)).toBe("Next");
    expect(said(waiting, { paused: true })).toBe("Paused");
    expect(said(waiting, { workers: 0 })).toBe("Waiting for a worker");
    expect(said(waiting, { loading: ["pocket"] })).toBe("Loading the model");
    expect(said({ ...waiting, place: 3 }, { loading: ["pocket"] })).toBe("Waiting, number 3");
    expect(said(running)).toBe("Getting ready");
    expect(said(running, { loading: ["pocket"] })).toBe("Loading the model");
    expect(said({ ...running, progress: { done: 2, total: 9 } }, { loading: ["x"] })).toBe("Step 2 of 9");
    expect(makingInWords(makeNode("a", "r", running), undefined).words).toBe("Getting ready");
  });

  it("tell every setting that is known and no other", () => {
    const rows = rowsOf({
      instruction: "x",
      model: "m",
      settings: { steps: 20, seed: 0, keep_detail: false, negative: "" },
    });
    expect(rows.map(({ name, value }) => `${name}: ${value}`)).toEqual([
      "Where: Whole picture",
      "Model: m",
      "Steps: 20",
      "Seed: 0",
      "Fine detail of the original: not kept",
    ]);
  });

  it("say where an edit acts", () => {
    expect(regionInWords(null)).toBe("Whole picture");
    expect(regionInWords({ kind: "phrase", phrase: "the sofa", invert: true })).toBe("All but “the sofa”");
    expect(regionInWords({ kind: "box", numbers: [1, 2, 3.4, 5] })).toBe("the box 1, 2, 3, 5");
  });

  it("speak a node's state", () => {
    const running = makeNode("a", "r", { state: "running", progress: { done: 3, total: 20 }, starred: true });
    expect(spoken(running, 0, "make a")).toBe("make a, being made, 3 of 20 steps, starred");
    expect(spoken(makeNode("a", "r"), 2, "Variation 2")).toBe("Variation 2, make a, 2 pictures below");
  });

  it("tell time", () => {
    const now = Date.parse("2026-01-02T00:00:00Z");
    expect(when("2026-01-01T23:59:50Z", now)).toBe("just now");
    expect(when("2026-01-01T23:57:00Z", now)).toBe("3 min. ago");
    expect(when("2026-01-01T00:00:00Z", now)).toBe("yesterday");
  });
});
