// A page that stays open while many parts pass must not grow.

import { api, Failed, expect, go } from "./browser.mjs";

const SILENT_S = 60;
const EACH_MS = 2000;
/** What a page may gain from its first full state on. */
const MOST_HEAP_BYTES = 6 * 1024 * 1024;
/** The list of messages, once full, has some 1,000 nodes; a leak of one node a part has many more. */
const MOST_NODES = 2000;

/** `long N`: N parts pass through the open page. */
export async function long(seen, count) {
  const { page, context } = seen;
  const wanted = Number(count);
  expect(wanted > 0, "long needs the number of parts");
  await go(seen, "live");
  const cdp = await context.newCDPSession(page);
  await cdp.send("Performance.enable");
  const passed = async () => (await api(seen, "/api/state")).totals.parts;
  const measure = async () => {
    await cdp.send("HeapProfiler.collectGarbage");
    const { metrics } = await cdp.send("Performance.getMetrics");
    const of = (name) => metrics.find((metric) => metric.name === name).value;
    return {
      heap: of("JSHeapUsedSize"),
      nodes: of("Nodes"),
      listeners: of("JSEventListeners"),
      elements: await page.evaluate(() => document.querySelectorAll("*").length),
    };
  };
  const wait = () => new Promise((resolve) => setTimeout(resolve, EACH_MS));

  // The lists are full after 100 parts; what grows from then on grows for ever.
  const start = await passed();
  let before = null;
  let last = start;
  let since = Date.now();
  while (last - start < wanted) {
    await wait();
    const parts = await passed();
    if (parts > last) since = Date.now();
    else if (Date.now() - since > SILENT_S * 1000)
      throw new Failed(`no part passed for ${SILENT_S} s, after ${parts - start} of ${wanted}`);
    last = parts;
    if (before === null && last - start >= Math.min(100, wanted / 4)) before = await measure();
  }
  const after = await measure();
  console.log(`${last - start} parts; before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`);
  expect(
    after.heap - before.heap < MOST_HEAP_BYTES,
    `the page's heap grew by ${Math.round((after.heap - before.heap) / 1024)} KiB`,
  );
  expect(after.nodes - before.nodes < MOST_NODES, `the page's nodes grew from ${before.nodes} to ${after.nodes}`);
  expect(
    after.listeners - before.listeners < MOST_NODES,
    `the page's listeners grew from ${before.listeners} to ${after.listeners}`,
  );
  const about = await page.locator(".verdict .about").textContent();
  expect(about !== "", "the live view is empty at the end");
}
