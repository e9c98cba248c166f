// Steps that only look: live view, screenshots, accessibility, hostile names.

import { mkdir, readFile } from "node:fs/promises";
import path from "node:path";
import { api, DESKTOP, expect, go, need, TABLET, until, VIEWS } from "./browser.mjs";

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Reads the number of the part whose verdict is shown; empty while there is none. */
const partNumber = (verdict) => async () => /\d+/.exec(await verdict.locator(".about").textContent())?.[0] ?? "";

/** Parts appear, the verdict follows them, the picture loads and the slider fades its heat map. */
export async function live(seen) {
  const { page } = seen;
  await go(seen, "live");
  const verdict = page.locator(".verdict");
  const about = partNumber(verdict);
  await until(async () => (await about()) !== "", "no part appears in the live view");
  const first = await about();
  await until(async () => (await about()) !== first, `the live view stays at part ${first}`);
  const words = await verdict.locator("strong").textContent();
  expect(["Good", "Rejected", "No verdict"].includes(words), `the verdict says “${words}”`);
  const [image, heat] = [page.locator(".live .layer").nth(0), page.locator(".live .layer").nth(1)];
  const size = (one) =>
    one.evaluate(({ naturalWidth, naturalHeight, hidden }) => (hidden ? 0 : naturalWidth * naturalHeight));
  await until(async () => (await size(image)) > 0, "no picture of a part loads");
  await until(async () => (await size(heat)) > 0, "no heat map of a part loads");
  const slider = page.locator(".live input[type=range]");
  await slider.focus();
  await page.keyboard.press("Home");
  expect(
    (await heat.evaluate((one) => one.style.opacity)) === "0",
    "the slider at its start leaves the heat map visible",
  );
  await page.keyboard.press("End");
  expect((await heat.evaluate((one) => one.style.opacity)) === "1", "the slider at its end does not show the heat map");
  await until(async () => (await page.locator(".recent-card .dot").count()) > 0, "the row of recent parts is empty");
  await page.locator(".shift").getByText(/^This shift, since/).waitFor();
  const parts = await page.locator(".figure dd").nth(2).textContent();
  console.log(`part ${first}, then ${await about()}: ${words}; ${parts} parts of this run`);
}

/** The page says that it is frozen while the station is away, and goes on by itself: `frozen` waits for the banner, `thawed` for its end. */
export async function frozen(seen, seconds = "60") {
  const { page } = seen;
  await go(seen, "live");
  const about = partNumber(page.locator(".verdict"));
  await until(async () => (await about()) !== "", "no part appears in the live view");
  console.log("live");
  await until(
    async () => /Frozen since/.test(await page.locator("#banner").textContent()),
    "the page does not say that it is frozen",
    Number(seconds),
  );
  console.log(await page.locator("#banner").textContent());
  const before = await about();
  await until(
    async () => (await page.locator("#banner").textContent()) === "",
    "the page stays frozen",
    Number(seconds),
  );
  await until(async () => (await about()) !== before, "no part appears after the station is back", Number(seconds));
  console.log(`back: part ${await about()}`);
}

/** Waits until a view shows what it loads. */
async function settle({ page }) {
  await page.waitForLoadState("load");
  await page.waitForTimeout(1500);
}

/** The latest part that has a picture, if there is one. */
async function pictured(seen) {
  for (const query of ["cause=bad&pictures=true&limit=1", "pictures=true&limit=1"]) {
    const [part] = (await api(seen, `/api/parts?${query}`)).parts;
    if (part) return `${part.run}-${part.part}`;
  }
  return null;
}

/** A picture of each view, at both widths, light and dark. */
export async function screens(seen, folder) {
  expect(folder, "screens needs a folder");
  await mkdir(folder, { recursive: true });
  const { page } = seen;
  const part = await pictured(seen);
  const views = [...VIEWS.map((view) => [view, view]), ...(part ? [["part", `rejects/${part}`]] : [])];
  for (const [width, size] of [
    ["desktop", DESKTOP],
    ["tablet", TABLET],
  ]) {
    await page.setViewportSize(size);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      for (const [name, where] of views) {
        await go(seen, where);
        await settle(seen);
        const wide = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        expect(wide <= 0, `${name} at ${size.width} pixels is ${wide} pixels too wide`);
        const file = path.join(folder, `${name}-${width}-${colorScheme}.png`);
        await page.screenshot({ path: file });
        console.log(file);
      }
    }
  }
}

/** Every view, and the login dialog, against axe-core's rules for WCAG 2.2 AA, in light and dark, at both widths. */
export async function axe(seen) {
  const { page, context } = seen;
  const source = await readFile(need.resolve("axe-core/axe.min.js"), "utf8");
  const part = await pictured(seen);
  const found = [];

  async function check(name) {
    await settle(seen);
    // Evaluated, not inserted: the page's policy refuses a script of another.
    await page.evaluate(source);
    const { violations, passes } = await page.evaluate((runOnly) => globalThis.axe.run(document, { runOnly }), RULES);
    for (const { id, help, nodes } of violations)
      found.push(
        `${name}: ${id}, ${help}: ${nodes
          .slice(0, 3)
          .map((node) => node.html.slice(0, 160))
          .join(" ")}`,
      );
    console.log(`${name}: ${passes.length} rules kept, ${violations.length} violated`);
  }

  for (const [colorScheme, size] of [
    ["light", DESKTOP],
    ["dark", DESKTOP],
    ["light", TABLET],
    ["dark", TABLET],
  ]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    for (const where of [...VIEWS, ...(part ? [`rejects/${part}`] : [])]) {
      await go(seen, where);
      await check(`${where}, ${colorScheme}, ${size.width}`);
    }
  }
  const { login } = await api(seen, "/api/session");
  if (login) {
    await context.clearCookies();
    await page.goto(seen.base);
    await page.reload();
    await page.locator("dialog.login").waitFor();
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await check(`login, ${colorScheme}`);
    }
  }
  expect(found.length === 0, `${found.length} violations:\n${found.join("\n")}`);
}

/** Names with markup stay text in every view: `script` fails if one became an element or ran. */
export async function script(seen) {
  const { page, base } = seen;
  const text = async () =>
    (await page.locator("body").innerText()) + (await page.locator("dialog[open]").allInnerTexts()).join();
  let shown = 0;
  const part = await pictured(seen);
  for (const where of [...VIEWS, ...(part ? [`rejects/${part}`] : [])]) {
    await go(seen, where);
    await settle(seen);
    const foreign = await page.evaluate(
      (origin) =>
        [
          ...[...document.querySelectorAll("script")].filter((one) => !one.src.startsWith(origin)),
          ...[...document.querySelectorAll("img")].filter((one) => one.src && !/^(blob:)?http/.test(one.src)),
          ...document.querySelectorAll("[onerror], [onload], iframe, object, embed"),
        ].map((one) => one.outerHTML.slice(0, 120)),
      base,
    );
    expect(foreign.length === 0, `${where} has an element that came from a name: ${foreign[0]}`);
    expect((await page.evaluate(() => globalThis.hacked)) === undefined, `${where} ran a script that came from a name`);
    if (/<script|<img/i.test(await text())) shown += 1;
  }
  expect(shown > 0, "no view shows a name with <script> or <img in it: the station has none");
  console.log(`${shown} views show the names as text`);
}
