/**
 * How soon the first page can be used, measured in Chromium with nothing cached:
 *   node bench/tti.mjs ADDRESS
 * ADDRESS is what `retouch serve` prints, its token and all: the token is used once, before anything is measured.
 * Prints the sizes of what the first page loads, gzip-compressed, and, each the median of five visits: first
 * contentful paint, when a room can be chosen, and when the page answers at once: a room can be chosen and no long
 * task has run since.
 */
import { gzipSync } from "node:zlib";
import { start } from "./chromium.mjs";

const [address] = process.argv.slice(2);
if (!address) {
  process.stderr.write("Give the address that retouch serve printed: node bench/tti.mjs ADDRESS\n");
  process.exit(2);
}
const visits = 5;
const home = new URL("/", address).href;
const room = "section button img";
const median = (values) => [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)];

/** In the page: note long tasks from the start. */
function watch() {
  window.longTasks = [];
  new PerformanceObserver((list) =>
    list.getEntries().forEach(({ startTime, duration }) => window.longTasks.push([startTime, duration])),
  ).observe({ type: "longtask", buffered: true });
}

/** In the page, once a room is there: milliseconds since the visit began. */
function read(ready) {
  const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null;
  const ends = window.longTasks.map(([begun, duration]) => begun + duration);
  const files = performance
    .getEntriesByType("resource")
    .map(({ name, startTime }) => ({ name, startTime }))
    .filter(({ name, startTime }) => startTime <= ready && /\.(js|css|woff2)$/.test(new URL(name).pathname));
  return {
    paint,
    ready,
    interactive: Math.max(ready, ...ends),
    blocking: window.longTasks.reduce((sum, [, duration]) => sum + Math.max(0, duration - 50), 0),
    files: files.map(({ name }) => name),
  };
}

/** One visit by a browser that has the session's cookie and nothing else. */
async function visit(browser, cookies) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  await context.addCookies(cookies);
  const page = await context.newPage();
  await page.addInitScript(watch);
  await page.goto(home);
  await page.waitForFunction(
    (selector) => {
      const picture = document.querySelector(selector);
      return picture instanceof HTMLImageElement && picture.complete && !picture.closest("button").disabled;
    },
    room,
    { polling: "raf" },
  );
  const ready = await page.evaluate(() => performance.now());
  await page.waitForTimeout(1_000);
  const seen = await page.evaluate(read, ready);
  await context.close();
  return seen;
}

async function weigh(files) {
  const sizes = {};
  for (const file of files) {
    const bytes = Buffer.from(await (await fetch(file)).arrayBuffer());
    const compressed = file.endsWith(".woff2") ? bytes.length : gzipSync(bytes).length;
    sizes[new URL(file).pathname.split("/").at(-1)] = Math.round(compressed / 100) / 10;
  }
  return sizes;
}

const browser = await start();
const first = await browser.newContext();
const entrance = await first.newPage();
await entrance.goto(address);
try {
  await entrance.locator(room).first().waitFor();
} catch {
  process.stderr.write(
    "No room is shown there. A token opens the page once: start the server anew, give its address.\n",
  );
  process.exit(1);
}
const cookies = await first.cookies();
await first.close();

const seen = [];
for (let turn = 0; turn < visits; turn += 1) seen.push(await visit(browser, cookies));
await browser.close();

const kilobytes = await weigh(seen[0].files);
const of = (pattern) =>
  Math.round(
    Object.entries(kilobytes)
      .filter(([name]) => pattern.test(name))
      .reduce((sum, [, size]) => sum + size, 0),
  );
const report = {
  kilobytes,
  sumOfKilobytes: { script: of(/\.js$/), style: of(/\.css$/), fonts: of(/\.woff2$/) },
  firstContentfulPaintMs: Math.round(median(seen.map(({ paint }) => paint))),
  roomCanBeChosenMs: Math.round(median(seen.map(({ ready }) => ready))),
  timeToInteractiveMs: Math.round(median(seen.map(({ interactive }) => interactive))),
  blockingMs: Math.round(median(seen.map(({ blocking }) => blocking))),
};
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
