// Steps that act: log in, mark parts, move the threshold, flash, roll back.

import { mkdir, readFile, rmdir } from "node:fs/promises";
import { act, api, expect, go, until } from "./browser.mjs";

const toast = (page, kind) => page.locator(`.toast.${kind} p`).last();

/** A wrong password is refused with a sentence; the right one opens the page; logging out closes it again. */
export async function login(seen, name, password) {
  expect(name && password, "login needs NAME and PASSWORD");
  const { page, base } = seen;
  await page.goto(base);
  const dialog = page.locator("dialog.login");
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  expect(await dialog.isVisible(), "the login dialog can be closed without a session");
  await dialog.locator("[name=name]").fill(name);
  await dialog.locator("[name=password]").fill(`${password}-wrong`);
  await dialog.locator("button[type=submit]").click();
  const wrong = dialog.locator(".form-error");
  await until(async () => (await wrong.textContent()) !== "", "a wrong password gets no sentence");
  console.log(`refused: ${await wrong.textContent()}`);
  await dialog.locator("[name=password]").fill(password);
  await dialog.locator("button[type=submit]").click();
  await dialog.waitFor({ state: "detached" });
  await page.locator(".verdict").waitFor();
  expect((await page.locator(".account .label").textContent()) === name, `the header does not name ${name}`);
  await page.reload();
  await page.locator(".verdict").waitFor();
  console.log(`${name} is in, also after a reload`);
  await page.locator(".account").click();
  await page.locator("dialog .primary").click();
  await page.locator("dialog.login").waitFor();
  const answer = await seen.context.request.get(`${base}/api/state`);
  expect(answer.status() === 401, `after the log-out, /api/state answers ${answer.status()}`);
  console.log("and out");
}

/** A part is marked by keys, and the mark is in the journal; then it is unmarked, and marked again for the export. */
export async function review(seen, count = "1") {
  const { page } = seen;
  await go(seen, "rejects?hours=all&pictures=1");
  const cards = page.locator(".part-card");
  await cards.first().waitFor();
  const wanted = Math.min(Number(count), await cards.count());
  await cards.first().click();
  await page.locator("dialog.part .layer").first().waitFor();
  for (let n = 0; n < wanted; n += 1) {
    const name = /rejects\/(\d+-\d+)/.exec(page.url())?.[1];
    expect(name, `the address ${page.url()} names no part`);
    const mark = async () => (await api(seen, `/api/parts/${name.replace("-", "/")}`)).part.review;
    for (const [key, review] of [
      ["b", "bad"],
      ["u", null],
      ["g", "good"],
      ["b", "bad"],
    ]) {
      await page.keyboard.press(key);
      await until(async () => (await mark()) === review, `the key ${key} does not mark part ${name} as ${review}`);
    }
    // Faster than the station answers: the last key is what stays, there and on the page.
    for (const key of ["u", "g", "u", "b"]) await page.keyboard.press(key);
    await page.locator("dialog.part .mark-bad[aria-pressed=true]").waitFor();
    await until(async () => (await mark()) === "bad", `part ${name} does not keep the last of four marks`);
    console.log(`part ${name}: bad, unmarked, good, bad`);
    await page.keyboard.press("ArrowRight");
    if (n + 1 < wanted)
      await until(async () => !page.url().includes(name), `the right arrow key stays at part ${name}`);
  }
  await page.keyboard.press("Escape");
  await page.locator(".part-card .review-bad").first().waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator(".teach a").click()]);
  const { length } = await readFile(await download.path());
  expect(length > 0, "the download of reviewed pictures is empty");
  console.log(`${download.suggestedFilename()}: ${length} bytes`);
}

/** The line is dragged, moved by keys, applied with a reason, and undone. */
export async function threshold(seen) {
  const { page } = seen;
  await go(seen, "threshold");
  const handle = page.locator(".handle");
  const value = async () => Number(await handle.getAttribute("aria-valuenow"));
  const now = async () => (await api(seen, "/api/threshold")).value;
  await until(async () => (await page.locator(".counts li").count()) > 0, "the threshold view has no counts");
  const before = await now();
  const grip = await page.locator(".handle .grip").boundingBox();
  const [x, y] = [grip.x + grip.width / 2, grip.y + grip.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x - 120, y, { steps: 8 });
  await page.mouse.up();
  const dragged = await value();
  expect(dragged < before, `dragging to the left moves the line from ${before} to ${dragged}`);
  const sentence = (await page.locator(".counts li").allTextContents()).join(" | ");
  expect((await handle.getAttribute("aria-valuetext")).length > 10, "the slider has no words for its place");
  await handle.focus();
  await page.keyboard.press("ArrowLeft");
  const stepped = await value();
  expect(stepped < dragged, `the left arrow key moves the line from ${dragged} to ${stepped}`);
  expect((await now()) === before, "the threshold changes before it is applied");
  await page.locator(".effect-card .action").click();
  await page.locator("dialog [name=reason]").fill("a test of the page");
  await page.locator("dialog .primary").click();
  await page.locator("dialog").waitFor({ state: "detached" });
  const applied = await now();
  expect(Math.abs(applied - stepped) < 0.02, `the station has ${applied} where the line stands at ${stepped}`);
  console.log(`${before} → ${applied}: ${sentence}`);
  await page.locator(".changes-card tbody tr").first().getByText("a test of the page").waitFor();
  await page.locator(".changes-card .action").click();
  await page.locator("dialog [name=reason]").fill("undone by a test");
  await page.locator("dialog .primary").click();
  await page.locator("dialog").waitFor({ state: "detached" });
  expect(Math.abs((await now()) - before) < 1e-6, `undo leaves ${await now()} instead of ${before}`);
  console.log(`undone: ${await now()}`);
}

/** A bundle is sent and the station's answer shown; `flash FILE refused` wants a refusal. */
export async function flash(seen, file, outcome = "done") {
  expect(file, "flash needs FILE");
  const { page } = seen;
  await go(seen, "service");
  await page.locator(".flash-card input[type=file]").setInputFiles(file);
  const result = page.locator(".flash-card .result");
  await result.waitFor({ timeout: 180_000 });
  const text = await result.textContent();
  const good = (await result.getAttribute("class")).includes("good");
  expect(good === (outcome === "done"), `the flash of ${file} is ${good ? "done" : "refused"}: ${text}`);
  console.log(text);
}

/** The older bundle is taken back, with a reason, and the action is in the list. */
export async function rollback(seen) {
  const { page } = seen;
  await go(seen, "service");
  await page.locator(".slots-card .card-head .action").first().click();
  await page.locator("dialog [name=reason]").fill("a rollback by a test");
  await page.locator("dialog .primary").click();
  await page.locator("dialog").waitFor({ state: "detached", timeout: 60_000 });
  console.log(await toast(page, "done").textContent());
  await page.locator(".actions-card tbody").getByText("a rollback by a test").first().waitFor();
}

/**
 * Good parts calibrate the station while the line runs: the count goes up, the result is looked at and applied. With a
 * sentence, the station has to refuse the start with it. `picture` is where the parts' picture goes.
 */
export async function calibrate(seen, refusal, picture) {
  const { page } = seen;
  await go(seen, "service");
  const card = page.locator(".calibrate-card");
  await card.locator("[name=keep_duplicates]").check();
  await card.locator(".action.primary").click();
  await page.locator("dialog .primary").click();
  if (refusal) {
    const sentence = page.locator("dialog .toast.failed p, .toast.failed p").last();
    await sentence.waitFor();
    expect((await sentence.textContent()).includes(refusal), `the station refuses with: ${await sentence.textContent()}`);
    console.log(await sentence.textContent());
    return;
  }
  await card.locator("progress").waitFor();
  const { wanted } = await api(seen, "/api/calibration");
  const second = await act(seen, "/api/calibration", {});
  expect(second.status === 409 && /not finished/.test(second.error), `a second start answers ${second.error}`);
  const wrong = await act(seen, "/api/calibration", { parts: "many" });
  expect(wrong.status === 422 && /parts/.test(wrong.error), `parts that are no number answer ${wrong.error}`);
  let most = 0;
  await until(
    async () => {
      const state = await api(seen, "/api/calibration");
      expect(state.state !== "refused", `the calibration is refused: ${state.error}`);
      expect(state.parts >= most, `the count goes back from ${most} to ${state.parts}`);
      most = state.parts;
      return state.state === "ready";
    },
    "the calibration does not become ready",
    150,
  );
  await card.locator(".result.good").waitFor();
  const sheet = card.locator(".sheet");
  await until(async () => (await sheet.evaluate((one) => one.naturalWidth)) > 0, "the parts' pictures do not load");
  if (process.env.PAGE_SHOT) await page.screenshot({ path: process.env.PAGE_SHOT, fullPage: true });
  // What is refused writes nothing, and waits to be applied as before.
  const long = await act(seen, "/api/calibration/apply", { reason: "x".repeat(10_000) });
  expect(long.status === 400 && /too long/.test(long.error), `a long reason answers ${long.error}`);
  await mkdir(picture, { recursive: true });
  const blocked = await act(seen, "/api/calibration/apply", { reason: "its picture has no place" });
  expect(blocked.status === 500 && /can't be written/.test(blocked.error), `without a place: ${blocked.error}`);
  await rmdir(picture);
  const { product } = await api(seen, "/api/slots");
  expect(product.every((each) => /there is no calibration/.test(each.calibration)), "a refused calibration is written");
  await card.locator(".action.primary").click();
  await page.locator("dialog [name=reason]").fill("a calibration by a test");
  await page.locator("dialog .primary").click();
  await page.locator("dialog").waitFor({ state: "detached" });
  await card.getByText(`from ${most} parts`).waitFor();
  const again = await act(seen, "/api/calibration/apply", { reason: "again" });
  expect(again.status === 409, `a calibration is applied twice: ${again.status}`);
  await page.locator(".actions-card tbody").getByText("a calibration by a test").first().waitFor();
  console.log(`${most} parts, ${wanted} wanted: ${await card.locator("p").first().textContent()}`);
}

/** A user without the right to act finds every action closed, with its reason. */
export async function barred(seen) {
  const { page } = seen;
  for (const view of ["threshold", "service"]) {
    await go(seen, view);
    await page.locator(".why:visible").first().waitFor();
    const open = await page.locator("button.action:visible:not([aria-disabled=true])").count();
    expect(open === 0, `${open} buttons of ${view} are open to who may not act`);
  }
  await page.locator("button.action:visible").first().click({ force: true });
  console.log(await toast(page, "failed").textContent());
}
