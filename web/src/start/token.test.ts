import { describe, expect, it } from "vitest";
import { refusal, isArchive } from "./files";
import { tokenIn } from "./token";

describe("the one-time token", () => {
  it("is found where a server may print it", () => {
    expect(tokenIn("?token=abc", "")).toBe("abc");
    expect(tokenIn("", "#token=abc")).toBe("abc");
    expect(tokenIn("", "#/?token=abc")).toBe("abc");
    expect(tokenIn("?x=1", "#/designs/p?node=n")).toBeNull();
  });
});

describe("files", () => {
  it("are pictures, archives or refused with a sentence", () => {
    expect(refusal(new File([], "a.png", { type: "image/png" }))).toBeNull();
    expect(refusal(new File([], "a.gif", { type: "image/gif" }))).toMatch(
      /“a.gif” is not a PNG, JPEG or WebP/,
    );
    expect(isArchive(new File([], "A.ZIP"))).toBe(true);
    expect(isArchive(new File([], "a.png", { type: "image/png" }))).toBe(false);
  });
});
