import { describe, expect, it } from "vitest";
import { askOf, attemptsOf, changedSettings, draftOf, emptyDraft, isReady } from "./draft";
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

  it("knows the attempts of the same words", () => {
    const [a, b, c] = ["a", "b", "c"].map((id) =>
      makeNode(id, "r", { request: { instruction: id === "c" ? "y" : "x" } }),
    );
    if (!a || !b || !c) throw new Error("three nodes are needed");
    expect(attemptsOf(a, [a, b, c])).toEqual([a, b]);
  });
});
