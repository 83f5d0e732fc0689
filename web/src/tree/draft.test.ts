import { describe, expect, it } from "vitest";
import {
  afterSending,
  askOf,
  attemptsOf,
  changedSettings,
  draftOf,
  emptyDraft,
  howOf,
  isReady,
} from "./draft";
import { makeNode } from "./testing";

describe("draft", () => {
  it("needs words or a reference", () => {
    expect(isReady(emptyDraft)).toBe(false);
    expect(isReady({ ...emptyDraft, instruction: "  " })).toBe(false);
    expect(isReady({ ...emptyDraft, instruction: "x" })).toBe(true);
    expect(isReady({ ...emptyDraft, references: [{ upload: "u" }] })).toBe(true);
  });

  it("is asked as it was, again, but for the seed", () => {
    const ask = {
      instruction: "x",
      model: "m",
      settings: { seed: 7, steps: 9 },
      region: null,
      references: [],
    };
    expect(askOf(draftOf(ask, true))).toEqual({ ...ask, count: 1 });
    expect(draftOf(ask, false).settings).toEqual({ seed: null, steps: 9 });
    expect(ask.settings.seed).toBe(7);
  });

  it("counts what differs from the model's own", () => {
    expect(
      changedSettings({ ...emptyDraft, settings: { steps: 1, seed: null, negative: "" }, model: "m" }),
    ).toBe(2);
  });

  it("keeps the edge of the region and how references are followed, and counts them apart", () => {
    const settings = { region: { grow: 4 }, reference: { words: 0.5 }, steps: 3 };
    const draft = draftOf({ instruction: "x", settings }, false);
    expect(askOf(draft).settings).toEqual({ ...settings, seed: null });
    expect(changedSettings(draft)).toBe(1);
    expect(howOf({ grow: 0 })).toEqual({ grow: 0 });
    expect(howOf({ grow: null })).toBeNull();
  });

  it("leaves settings for another try once it was sent, but nothing of the region", () => {
    const region = { kind: "auto" as const };
    const sent = { ...emptyDraft, instruction: "x", count: 2, settings: { steps: 3, region: { grow: 4 } } };
    expect(afterSending({ ...sent, region: { ...region, phrase: "", numbers: [], invert: false } })).toEqual({
      ...emptyDraft,
      count: 2,
      settings: { steps: 3, region: null, reference: null },
    });
  });

  it("knows the attempts of the same words", () => {
    const [a, b, c] = ["a", "b", "c"].map((id) =>
      makeNode(id, "r", { request: { instruction: id === "c" ? "y" : "x" } }),
    );
    if (!a || !b || !c) throw new Error("three nodes are needed");
    expect(attemptsOf(a, [a, b, c])).toEqual([a, b]);
  });
});
