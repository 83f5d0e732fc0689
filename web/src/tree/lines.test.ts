import { describe, expect, it } from "vitest";
import { familyOf } from "./family";
import { captionHeight, layout, nodeWidth } from "./layout";
import { line, lines } from "./lines";
import { makeTree } from "./testing";

describe("lines", () => {
  it("begin under the parent's picture and end over the child's caption", () => {
    const drawn = line({ x: 0, y: 0 }, { x: 300, y: 400 }, 100);
    expect(drawn).toMatch(new RegExp(`^M${nodeWidth / 2} ${captionHeight + 100}V`));
    expect(drawn).toMatch(/V406$/);
    expect(drawn).toContain(`H${300 + nodeWidth / 2 - 12}`);
  });

  it("are straight to a child right below", () => {
    expect(line({ x: 0, y: 0 }, { x: 0, y: 400 }, 100)).toBe(`M${nodeWidth / 2} ${captionHeight + 100}V406`);
  });

  it("are as many as there are children, or as are wanted", () => {
    const family = familyOf(makeTree({ r: null, a: "r", b: "r", c: "a" }).nodes, "r");
    const places = layout(family, 184);
    expect(lines(family, places, 184).split("M")).toHaveLength(4);
    expect(lines(family, places, 184, (id) => id === "a" || id === "c").split("M")).toHaveLength(3);
    expect(lines(family, new Map(), 184)).toBe("");
  });
});
