/** The lines between parents and children, all of them as one drawing: a thousand elements would be slow. */
import type { Family } from "./family";
import { captionHeight, nodeWidth, type Place } from "./layout";

const drop = 18;
const round = 12;
/** How far a line reaches into the caption's room, which is empty at its top. */
const reach = 6;

/** From the bottom of a picture down, across with rounded corners, and down to the one made of it. */
export function line(from: Place, to: Place, pictureHeight: number): string {
  const x = from.x + nodeWidth / 2;
  const y = from.y + captionHeight + pictureHeight;
  const end = to.x + nodeWidth / 2;
  const bottom = to.y + reach;
  const across = end - x;
  if (Math.abs(across) < 1) return `M${x} ${y}V${bottom}`;
  const corner = Math.min(round, Math.abs(across) / 2);
  const side = Math.sign(across) * corner;
  const level = y + drop;
  return (
    `M${x} ${y}V${level - corner}Q${x} ${level} ${x + side} ${level}` +
    `H${end - side}Q${end} ${level} ${end} ${level + corner}V${bottom}`
  );
}

/** The lines to every child for which `wanted`, as one path. */
export function lines(
  family: Family,
  places: ReadonlyMap<string, Place>,
  pictureHeight: number,
  wanted: (child: string) => boolean = () => true,
): string {
  const parts: string[] = [];
  for (const [parent, children] of family.children) {
    const from = places.get(parent);
    if (!from) continue;
    for (const child of children) {
      const to = places.get(child);
      if (to && wanted(child)) parts.push(line(from, to, pictureHeight));
    }
  }
  return parts.join("");
}
