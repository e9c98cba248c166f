// The live view: the latest part with its verdict and picture, which always belong together, and how the line is doing.

import { picture } from "./api.js";
import { card, el, icon, say } from "./dom.js";
import { layers } from "./layers.js";
import { number, t, when } from "./language.js";
import { line, onLine, partName } from "./line.js";
import { devicesCard, totalsCard } from "./figures.js";
import { lastReject } from "./last_reject.js";
import { messagesCard } from "./messages.js";
import { scoreBar } from "./score_bar.js";
import { strip } from "./strip.js";
import { gateWord, look, pWord, rarity, reason, verdictWord } from "./verdict.js";

/** A part without a picture is shown if no picture came for so long. */
const PICTURE_MS = 3000;
const PAINT_MS = 200;
const MOST_SUBJECTS = 16;

export function create() {
  const view = layers(t("live.no_picture"));
  const word = el("strong", {});
  const sign = el("span", { class: "sign" });
  const why = el("p", { class: "why-verdict" });
  const about = el("p", { class: "about" });
  const verdict = el(
    "section",
    { class: "verdict none", "aria-label": t("live.verdict") },
    sign,
    el("div", {}, word, why),
    about,
  );
  const bar = scoreBar();
  const details = el("p", { class: "muted details" });
  const open = (part) => (location.hash = `rejects/${partName(part)}?from=live`);
  const row = strip(110, 60, () => line.parts, open);
  const totals = totalsCard();
  const devices = devicesCard();
  const last = lastReject();
  const element = el(
    "div",
    { class: "live" },
    card(null, { class: "picture-card", "aria-label": t("live.picture") }, view.stage, view.controls),
    el(
      "div",
      { class: "live-side" },
      verdict,
      card(null, { class: "score-card", "aria-label": t("part.score") }, bar.element, details),
      el("div", { class: "side-row" }, last.element, devices.element),
      messagesCard(),
    ),
    card(t("live.recent"), { class: "recent-card" }, row.element),
    totals.element,
  );

  // What is known of the parts whose pictures may come, by "run-part".
  const subjects = new Map();
  let shown = null;
  let urls = [];
  let lastPicture = 0;
  let loading = false;
  let again = false;
  let visible = false;
  let dirty = true;

  function know(part) {
    const name = partName(part);
    subjects.set(name, { ...subjects.get(name), ...part });
    if (subjects.size > MOST_SUBJECTS) subjects.delete(subjects.keys().next().value);
    return subjects.get(name);
  }

  function show(part, fresh) {
    shown = part;
    view.show(...(fresh.length ? fresh : [null, null]), t("live.picture_of", { part: String(part.part) }));
    for (const url of urls) URL.revokeObjectURL(url);
    urls = fresh;
    describe();
  }

  function describe() {
    verdict.className = `verdict ${look(shown)}`;
    if (sign.dataset.look !== look(shown)) sign.replaceChildren(icon(look(shown)));
    sign.dataset.look = look(shown);
    say(word, verdictWord(shown));
    say(why, reason(shown));
    const at = shown.captured_ms ? ` · ${when(shown.captured_ms)}` : "";
    say(about, t("live.part", { part: String(shown.part) }) + at);
    bar.show(shown);
    const gate = gateWord(shown);
    say(
      details,
      [
        shown.p_value ? `p ${pWord(shown)}` : null,
        shown.p_value ? rarity(shown) : null,
        gate,
        shown.latency_ms ? t("live.latency", { ms: number(shown.latency_ms, 1) }) : null,
      ]
        .filter(Boolean)
        .join(" · "),
    );
  }

  // One pair of pictures is on its way at a time; what comes meanwhile is the next one's reason.
  async function load() {
    if (!visible || document.hidden) return;
    if (loading) {
      again = true;
      return;
    }
    loading = true;
    again = false;
    const pair = await Promise.all(
      [picture("/api/live/seen.jpg"), picture("/api/live/heat.jpg")].map((one) => one.catch(() => null)),
    );
    const [seen, heat] = pair;
    loading = false;
    const part = seen && (subjects.get(seen.part) ?? line.parts.find((each) => partName(each) === seen.part));
    if (part && heat?.part === seen.part) {
      lastPicture = Date.now();
      show(part, [seen.url, heat.url]);
    } else {
      // A new picture came in between the two.
      for (const one of pair) if (one) URL.revokeObjectURL(one.url);
    }
    if (again) load();
  }

  const newer = (part) => !shown || part.run > shown.run || (part.run === shown.run && part.part > shown.part);

  function take(part) {
    last.take(part);
    const known = know(part);
    if (shown && partName(shown) === partName(part)) {
      shown = known;
      describe();
    } else if (newer(part) && (look(part) === "none" || Date.now() - lastPicture > PICTURE_MS)) {
      show(known, []);
    }
  }

  onLine((what, item) => {
    dirty = true;
    if (what === "part") take(item);
    if (what === "picture") {
      know(item);
      load();
    }
    if (what === "fresh") startAnew();
  });

  function startAnew() {
    shown = null;
    line.parts.slice(-MOST_SUBJECTS).forEach(know);
    last.fresh(line.parts);
    const latest = line.parts.at(-1);
    if (latest) show(know(latest), []);
    load();
  }

  // At 100 parts a second the row and the figures still change five times a second only.
  setInterval(() => {
    if (!dirty || !visible || document.hidden || !line.state) return;
    dirty = false;
    row.redraw();
    totals.show(line.state);
    devices.show(line.state);
  }, PAINT_MS);

  if (line.state) startAnew();
  return {
    element,
    show() {
      visible = true;
      dirty = true;
      load();
    },
    hide: () => (visible = false),
  };
}
