// One part, large: its picture and heat map, all that is known of it, its neighbours in time, and a person's mark.

import { get, post } from "./api.js";
import { dialog } from "./ask.js";
import { el, icon, say } from "./dom.js";
import { dateTime, score, t } from "./language.js";
import { layers } from "./layers.js";
import { partName } from "./line.js";
import { attempt, fail } from "./notices.js";
import { actionButton, whyLine, whyNot } from "./rights.js";
import { strip } from "./strip.js";
import { badge, facts, look, reason, terms, verdictWord } from "./verdict.js";

const NEIGHBOURS = 11;
const MARKS = [
  ["bad", "B"],
  ["good", "G"],
  [null, "U"],
];

let shown = null;

/**
 * Shows the part "run-part" in the dialog, which it opens where needed; null closes it. `gallery` has `update(part)`,
 * `neighbour(name, step)`, `go(name)` and `closed()`.
 */
export function showPart(name, gallery) {
  if (name === null) {
    const box = shown?.box;
    shown = null;
    box?.close();
    return;
  }
  shown ??= open();
  shown.gallery = gallery;
  if (shown.name === name) return;
  shown.name = name;
  shown.load(name).catch(fail);
}

function open() {
  const view = layers(t("part.no_picture"));
  const big = el("p", { class: "part-verdict" });
  const why = el("p", { class: "part-reason" });
  const list = el("div", {});
  const branches = el("table", { class: "branches" });
  const near = el("ul", { class: "neighbours" });
  const status = el("p", { class: "unseen", role: "status" });
  let part = null;
  let neighbours = [];
  // Marks are sent one after the other, so that the last key pressed is what stays.
  let sent = Promise.resolve();
  const row = strip(
    96,
    NEIGHBOURS,
    () => neighbours,
    (other) => self.gallery.go(partName(other)),
    () => part,
  );
  const marks = MARKS.map(([mark, key]) =>
    actionButton([t(`mark.${mark}`), el("kbd", {}, key)], { class: `mark-${mark}`, "aria-pressed": "false" }, () =>
      review(mark),
    ),
  );
  const step = (by, name) =>
    el(
      "button",
      {
        type: "button",
        class: "plain",
        "aria-label": t(`part.${name}`),
        title: t(`part.${name}`),
        onclick: () => move(by),
      },
      icon(name),
    );
  const back = step(-1, "before");
  const on = step(1, "after");

  const box = dialog(
    "",
    { class: "part", tabindex: -1, autofocus: true },
    el(
      "div",
      { class: "part-columns" },
      el("div", {}, view.stage, view.controls),
      el(
        "div",
        { class: "part-side" },
        big,
        why,
        el("div", { class: "marks" }, marks),
        whyLine(),
        list,
        el("details", {}, el("summary", {}, t("part.branches")), branches),
      ),
    ),
    el("h3", {}, t("part.neighbours")),
    row.element,
    near,
    status,
  );
  box
    .querySelector(".dialog-head")
    .insertBefore(el("span", { class: "steps" }, back, on), box.querySelector(".dialog-head button"));
  const heading = box.querySelector("h2");

  const self = { box, name: null, gallery: null, load };

  async function load(name) {
    const [run, number] = name.split("-");
    let answer;
    try {
      answer = await get(`/api/parts/${encodeURIComponent(run)}/${encodeURIComponent(number)}`);
    } catch (refused) {
      if (part === null) box.close();
      throw refused;
    }
    if (self.name !== name) return;
    ({ part, neighbours } = answer);
    const base = `/api/parts/${part.run}/${part.part}`;
    view.show(
      ...(part.picture ? [`${base}/picture.png`, `${base}/heat.png`] : [null, null]),
      t("live.picture_of", { part: String(part.part) }),
    );
    fill();
    row.redraw();
    near.replaceChildren(...neighbours.map(neighbour));
    back.disabled = target(-1) === null;
    on.disabled = target(1) === null;
  }

  function fill() {
    say(heading, `${t("live.part", { part: String(part.part) })} · ${dateTime(part.captured_ms)}`);
    big.className = `part-verdict ${look(part)}`;
    big.replaceChildren(icon(look(part)), verdictWord(part));
    say(why, reason(part));
    list.replaceChildren(terms(facts(part)));
    const rows = Object.entries(part.branches ?? {}).sort(([, one], [, other]) => other - one);
    branches.replaceChildren(
      el(
        "tbody",
        {},
        rows.map(([name, value]) => el("tr", {}, el("td", {}, name), el("td", { class: "number" }, score(value)))),
      ),
    );
    MARKS.forEach(([mark], n) => marks[n].setAttribute("aria-pressed", String(mark !== null && part.review === mark)));
  }

  function neighbour(other) {
    const mine = partName(other) === partName(part);
    const image = other.picture
      ? el("img", { src: `/api/parts/${other.run}/${other.part}/thumbnail.jpg`, alt: "", loading: "lazy" })
      : el("span", { class: "no-picture" }, "–");
    const link = el(
      "button",
      {
        type: "button",
        class: "plain",
        "aria-current": mine ? "true" : null,
        onclick: () => self.gallery.go(partName(other)),
      },
      image,
      badge(other),
      el("span", { class: "muted" }, String(other.part)),
    );
    return el("li", {}, link);
  }

  // The next part of the gallery; for a part that isn't in it, the next in time.
  function target(by) {
    const next = self.gallery.neighbour(partName(part), by);
    if (next) return partName(next);
    const at = neighbours.findIndex((other) => partName(other) === partName(part));
    const near = self.gallery.neighbour(partName(part), 0) ? null : neighbours[at - by];
    return near ? partName(near) : null;
  }

  function move(by) {
    const next = part && target(by);
    if (next) self.gallery.go(next);
  }

  function review(mark) {
    if (!part) return;
    const { run, part: number } = part;
    sent = sent.then(() => send(run, number, mark));
  }

  async function send(run, number, mark) {
    await attempt(async () => {
      const marked = await post(`/api/parts/${run}/${number}/review`, { mark });
      self.gallery.update(marked);
      if (partName(part) !== partName(marked)) return;
      part = { ...part, ...marked };
      neighbours = neighbours.map((other) => (partName(other) === partName(part) ? part : other));
      fill();
      say(status, t(`marked.${mark}`, { part: String(part.part) }));
    });
  }

  // Heard on the document: a button that becomes disabled loses the focus to the page.
  function press(event) {
    const elsewhere = (event.target.closest("dialog") ?? box) !== box || event.target.matches("input");
    if (elsewhere || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "ArrowRight") move(1);
    if (event.key === "ArrowLeft") move(-1);
    const found = MARKS.find(([, key]) => key === event.key.toUpperCase());
    if (found && whyNot() === null) review(found[0]);
    else if (found) fail(new Error(whyNot()));
  }

  document.addEventListener("keydown", press);
  box.addEventListener("close", () => {
    document.removeEventListener("keydown", press);
    if (shown !== self) return;
    shown = null;
    self.gallery.closed();
  });
  box.showModal();
  return self;
}
