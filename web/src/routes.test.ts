import { describe, expect, it } from "vitest";
import { formatRoute, parseRoute, type Route } from "./routes";

describe("addresses", () => {
  const routes: Route[] = [
    { kind: "home", trashed: false },
    { kind: "home", trashed: true },
    { kind: "project", project: "p1", node: null, compare: null },
    { kind: "project", project: "p1", node: "n2", compare: { left: "n1", right: "n2", view: "difference" } },
  ];
  it.each(routes)("are read as they were written", (route) => {
    expect(parseRoute(formatRoute(route))).toEqual(route);
  });

  it("that make no sense are the first page", () => {
    for (const hash of ["", "#", "#/nowhere", "#/designs", "#/designs/?node=x"])
      expect(parseRoute(hash)).toEqual({ kind: "home", trashed: false });
    expect(parseRoute("#/designs/p?compare=one&view=odd")).toMatchObject({ compare: null });
  });
});
