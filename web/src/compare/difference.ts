/** How two pictures differ, as a picture. */

/** RGBA pixels: the largest difference of the three channels times `gain`, as grey. */
export function difference(
  one: Uint8ClampedArray,
  other: Uint8ClampedArray,
  gain: number,
): Uint8ClampedArray<ArrayBuffer> {
  const out = new Uint8ClampedArray(one.length);
  for (let at = 0; at < one.length; at += 4) {
    let most = 0;
    for (let channel = 0; channel < 3; channel += 1) {
      const delta = Math.abs((one[at + channel] ?? 0) - (other[at + channel] ?? 0));
      if (delta > most) most = delta;
    }
    const grey = most * gain;
    out[at] = grey;
    out[at + 1] = grey;
    out[at + 2] = grey;
    out[at + 3] = 255;
  }
  return out;
}
