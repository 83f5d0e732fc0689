/**
 * How smooth the canvas of a large design is, measured in Chromium:
 *   node bench/canvas.mjs http://127.0.0.1:8000/ PROJECT-ID
 * Prints frames while panning and zooming, the time from a key to the next frame, and how many nodes are drawn.
 */
import { start } from "./chromium.mjs";

const [address, project] = process.argv.slice(2);
if (!address || !project) {
  process.stderr.write(
    "Give the server's address and the id of a design: node bench/canvas.mjs ADDRESS ID\n",
  );
  process.exit(2);
}

const quantile = (values, share) =>
  [...values].sort((one, other) => one - other)[
    Math.min(values.length - 1, Math.floor(values.length * share))
  ];
const round = (value) => Math.round(value * 10) / 10;

/** Milliseconds between frames while `act` runs. */
async function frames(page, act) {
  await page.evaluate(() => {
    window.frameTimes = [];
    window.measuring = true;
    let last = performance.now();
    const tick = (now) => {
      window.frameTimes.push(now - last);
      last = now;
      if (window.measuring) requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  });
  await act();
  const times = await page.evaluate(() => {
    window.measuring = false;
    return window.frameTimes.slice(1);
  });
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  return {
    fps: round(1000 / mean),
    p50: round(quantile(times, 0.5)),
    p95: round(quantile(times, 0.95)),
    max: round(Math.max(...times)),
  };
}

/** Milliseconds from a press to the frame after it shows. */
async function press(page, key) {
  await page.evaluate(() => {
    window.pressed = new Promise((resolve) =>
      addEventListener(
        "keydown",
        (event) =>
          requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - event.timeStamp))),
        { once: true, capture: true },
      ),
    );
  });
  await page.keyboard.press(key);
  return page.evaluate(() => window.pressed);
}

const browser = await start();
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });

const begun = Date.now();
await page.goto(`${address}#/designs/${project}`);
await page.locator('[role="treeitem"]').first().waitFor();
const opened = Date.now() - begun;
await page.waitForTimeout(1500);

const wheel = async (x, y, times) => {
  for (let turn = 0; turn < times; turn += 1) {
    await page.mouse.wheel(x, y);
    await page.waitForTimeout(16);
  }
};
await page.mouse.move(500, 400);
const drawn = await page.locator('[role="treeitem"]').count();
const panning = await frames(page, () => wheel(60, 25, 120));
await page.keyboard.down("Control");
const zooming = await frames(page, async () => {
  await wheel(0, 40, 30);
  await wheel(0, -40, 30);
});
await page.keyboard.up("Control");
await page.keyboard.press("f");
await page.waitForTimeout(2500);
const all = await page.locator('[role="treeitem"]').count();
const panningAll = await frames(page, () => wheel(20, 10, 60));
const keys = [];
for (const key of [
  "ArrowDown",
  "ArrowDown",
  "ArrowRight",
  "ArrowRight",
  "ArrowLeft",
  "ArrowUp",
  "ArrowRight",
  "ArrowDown",
]) {
  keys.push(await press(page, key));
  await page.waitForTimeout(350);
}
const report = {
  openedInMs: opened,
  drawnAtFirst: drawn,
  panning,
  zooming,
  drawnInWholeTree: all,
  panningWholeTree: panningAll,
  keyToFrameMs: { p50: round(quantile(keys, 0.5)), max: round(Math.max(...keys)) },
};
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
await browser.close();
