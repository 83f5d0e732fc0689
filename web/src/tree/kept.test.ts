import { describe, expect, it } from "vitest";
import { emptyDraft, isEmpty, uploadsOf, withoutUploads } from "./draft";
import { forgetDrafts, keepDraft, keptDraft, type Store } from "./kept";

function makeStore(room = Infinity): Store & { texts: Map<string, string> } {
  const texts = new Map<string, string>();
  return {
    texts,
    get length() {
      return texts.size;
    },
    key: (index) => [...texts.keys()][index] ?? null,
    getItem: (key) => texts.get(key) ?? null,
    setItem: (key, text) => {
      if (texts.size >= room) throw new Error("full");
      texts.set(key, text);
    },
    removeItem: (key) => void texts.delete(key),
  };
}

const region = { kind: "mask" as const, phrase: "", numbers: [], upload: "m", invert: false };
const draft = {
  ...emptyDraft,
  instruction: "make it green",
  count: 3,
  settings: { steps: 4, region: { grow: 2 }, reference: { words: 0.5 } },
  region,
  references: [{ upload: "u", weight: 0.5 }],
};

describe("kept drafts", () => {
  it("come back as they were, each for its node, and go when they are sent", () => {
    const store = makeStore();
    keepDraft(store, "n", draft);
    keepDraft(store, "o", { ...draft, instruction: "other" });
    expect(keptDraft(store, "n")).toEqual(draft);
    keepDraft(store, "n", null);
    expect(keptDraft(store, "n")).toBeNull();
    expect(keptDraft(store, "o")?.instruction).toBe("other");
  });

  it("are not read where something else was written", () => {
    const store = makeStore();
    for (const text of ["", "{", "null", "[]", '{"at":1}', '{"at":1,"draft":{"instruction":7}}']) {
      store.texts.set("retouch-draft-n", text);
      expect(keptDraft(store, "n")).toBeNull();
    }
    expect(keptDraft(null, "n")).toBeNull();
  });

  it("go after a month, or when there are too many, the oldest first", () => {
    const store = makeStore();
    const day = 86_400_000;
    keepDraft(store, "old", draft, 1 * day);
    keepDraft(store, "new", draft, 40 * day);
    expect(keptDraft(store, "old")).toBeNull();
    for (let turn = 0; turn < 100; turn += 1) keepDraft(store, `n${turn}`, draft, (41 + turn / 1000) * day);
    expect(store.length).toBe(100);
    expect(keptDraft(store, "new")).toBeNull();
    expect(keptDraft(store, "n99")).toEqual(draft);
  });

  it("leave what is not theirs, and a full store is no error", () => {
    const store = makeStore(2);
    store.texts.set("retouch-details", "true");
    keepDraft(store, "n", draft);
    keepDraft(store, "o", draft);
    expect(keptDraft(store, "o")).toBeNull();
    forgetDrafts(store);
    expect([...store.texts.keys()]).toEqual(["retouch-details"]);
  });

  it("are empty only where nothing was said or set", () => {
    expect(isEmpty(emptyDraft)).toBe(true);
    expect(isEmpty({ ...emptyDraft, settings: { seed: null, region: { grow: null } } })).toBe(true);
    for (const part of ["instruction", "count", "settings", "region", "references"] as const)
      expect(isEmpty({ ...emptyDraft, [part]: draft[part] })).toBe(false);
  });

  it("lose the uploads that are gone, with what was set for them", () => {
    expect(uploadsOf(draft)).toEqual(["u", "m"]);
    expect(withoutUploads(draft, new Set(["m"]))).toEqual({
      ...draft,
      region: null,
      settings: { ...draft.settings, region: null },
    });
    const bare = withoutUploads(draft, new Set(["u"]));
    expect(bare.references).toEqual([]);
    expect(bare.settings.reference).toBeNull();
    expect(bare.region).toEqual(region);
  });
});
