// Starts Debian's chromium on a page of a station, and fails in one sentence.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const tools = path.resolve(process.env.CARGO_TARGET_DIR ?? path.join(here, "../../target"), "page-tools");
export const need = createRequire(path.join(tools, "package.json"));

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--enable-precise-memory-info",
];
const CHROMIUM = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"].find(
  (file) => file && existsSync(file),
);

export const DESKTOP = { width: 1440, height: 900 };
export const TABLET = { width: 820, height: 1180 };
export const VIEWS = ["live", "rejects", "threshold", "trend", "service"];

export class Failed extends Error {}

/** Fails with a sentence unless the condition holds. */
export function expect(condition, sentence) {
  if (!condition) throw new Failed(sentence);
}

/** A browser with one page, which collects what goes wrong in it. */
export async function open(base, options = {}) {
  if (!CHROMIUM) throw new Failed("there is no chromium here: run tests/page/fetch.sh");
  const { chromium } = need("playwright-core");
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  const context = await browser.newContext({ viewport: DESKTOP, locale: "en-GB", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`an error in the page: ${error.message}`));
  // A refused request is the page's business; a script or style that the policy blocks is not.
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security Policy|Refused to/.test(message.text()))
      wrong.push(message.text());
  });
  return { base, browser, context, page, wrong };
}

/** Logs in over the interface where NAME and PASSWORD are set in the environment, so that each step can act. */
export async function enter({ base, context }) {
  const { PAGE_USER: name, PAGE_PASSWORD: password } = process.env;
  if (!name) return;
  const answer = await context.request.post(`${base}/api/login`, { data: { name, password } });
  expect(answer.ok(), `the login of ${name} is refused: ${await answer.text()}`);
}

/** Goes to a view and waits until it is there. */
export async function go({ base, page }, view) {
  await page.goto(`${base}/#${view}`);
  await page.locator("main > div:not([hidden]):not(.waiting)").first().waitFor();
}

/** Waits until `read()` answers true, or fails with the sentence. */
export async function until(read, sentence, seconds = 20) {
  const end = Date.now() + 1000 * seconds;
  for (;;) {
    if (await read()) return;
    if (Date.now() > end) throw new Failed(`${sentence} (waited ${seconds} s)`);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

/** An action by the page's own session, past the page: its answer's status and content. */
export async function act({ base, context }, where, data) {
  const { token } = await (await context.request.get(`${base}/api/session`)).json();
  const answer = await context.request.post(`${base}${where}`, { data, headers: { "X-Aecsad-Token": token } });
  return { status: answer.status(), ...(await answer.json()) };
}

/** What the station answers to the page's own session. */
export async function api({ base, context }, where) {
  const answer = await context.request.get(`${base}${where}`);
  expect(answer.ok(), `${where} answers ${answer.status()}: ${(await answer.text()).slice(0, 200)}`);
  return answer.json();
}
