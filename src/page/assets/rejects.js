// The gallery of parts: filters, one page of thumbnails at a time, and each part large. All of it stands in the address.

import { get } from "./api.js";
import { card, el, field, icon, select } from "./dom.js";
import { score, t, when } from "./language.js";
import { onLine, partName } from "./line.js";
import { fail } from "./notices.js";
import { showPart } from "./part.js";
import { teachCard } from "./teach.js";
import { badge, BRANCHES, branchWord, CAUSES, reason, reviewBadge } from "./verdict.js";

const PAGE = 60;
const HOURS = ["1", "8", "24", "168", "all", "own"];
const DEFAULTS = { cause: "rejected", hours: "24", branch: "", min: "", pictures: "", since: "", until: "" };
const HOUR_MS = 3_600_000;

export function create() {
  let filters = { ...DEFAULTS };
  let parts = [];
  let drawn = null;
  let visible = false;
  // The ends of the pages before this one.
  let pages = [];
  let waiting = 0;
  let loads = 0;

  const gallery = el("ul", { class: "gallery" });
  const empty = el("p", { class: "empty", hidden: true }, t("rejects.none"));
  const unread = el("ul", { class: "unread" });
  const newer = el("button", { type: "button", onclick: () => turn(-1) }, icon("before"), t("rejects.newer"));
  const older = el("button", { type: "button", onclick: () => turn(1) }, t("rejects.older"), icon("after"));
  const fresh = el("button", { type: "button", class: "primary", hidden: true, onclick: () => load() });
  const form = el("form", { class: "filters", onsubmit: (event) => event.preventDefault() });
  const element = el(
    "div",
    { class: "rejects" },
    card(null, { "aria-label": t("rejects.filters") }, form),
    el("div", { class: "pager" }, newer, fresh, older),
    unread,
    empty,
    gallery,
    teachCard(),
  );

  const where = (item, more = {}) => {
    const kept = Object.entries({ ...filters, ...more }).filter(([name, value]) => value !== DEFAULTS[name]);
    const query = new URLSearchParams(kept).toString();
    return `#rejects${item ? `/${item}` : ""}${query ? `?${query}` : ""}`;
  };

  function change(name, value) {
    filters[name] = value;
    location.replace(where());
  }

  function fillForm() {
    const bound = (name) =>
      el("input", {
        type: "datetime-local",
        value: filters[name],
        onchange: (event) => change(name, event.target.value),
      });
    form.replaceChildren(
      field(
        t("rejects.outcome"),
        select(
          Object.keys(CAUSES).map((cause) => [cause, t(`rejects.cause.${cause}`)]),
          filters.cause,
          (value) => change("cause", value),
        ),
      ),
      field(
        t("rejects.time"),
        select(
          HOURS.map((hours) => [hours, t(`rejects.hours.${hours}`)]),
          filters.hours,
          (value) => change("hours", value),
        ),
      ),
      ...(filters.hours === "own"
        ? [field(t("rejects.from"), bound("since")), field(t("rejects.until"), bound("until"))]
        : []),
      field(
        t("rejects.branch"),
        select([["", t("rejects.any")], ...BRANCHES.map((each) => [each, choice(each)])], filters.branch, (value) =>
          change("branch", value),
        ),
      ),
      field(
        t("rejects.min"),
        el("input", {
          type: "number",
          step: "any",
          inputmode: "decimal",
          value: filters.min,
          onchange: (event) => change("min", event.target.value),
        }),
      ),
      el(
        "label",
        { class: "tick-field" },
        el("input", {
          type: "checkbox",
          checked: filters.pictures === "1",
          onchange: (event) => change("pictures", event.target.checked ? "1" : ""),
        }),
        el("span", {}, t("rejects.pictures")),
      ),
    );
  }

  function request(until) {
    const query = new URLSearchParams({ limit: PAGE });
    const causes = (CAUSES[filters.cause] ?? []).join();
    if (causes) query.set("cause", causes);
    if (filters.branch) query.set("branch", filters.branch);
    if (filters.min) query.set("min_score", filters.min);
    if (filters.pictures) query.set("pictures", "true");
    const hours = Number(filters.hours);
    const from = filters.hours === "own" ? Date.parse(filters.since) : hours ? Date.now() - hours * HOUR_MS : NaN;
    const end = until ?? (filters.hours === "own" ? Date.parse(filters.until) : NaN);
    if (Number.isFinite(from)) query.set("since_ms", Math.round(from));
    if (Number.isFinite(end)) query.set("until_ms", Math.round(end));
    return `/api/parts?${query}`;
  }

  async function load(until) {
    waiting = 0;
    fresh.hidden = true;
    if (until === undefined) pages = [];
    loads += 1;
    const asked = loads;
    const answer = await get(request(until)).catch((refused) => {
      fail(refused);
      return { parts: [], unread: [] };
    });
    if (asked !== loads) return;
    parts = answer.parts;
    gallery.replaceChildren(...parts.map(cell));
    unread.replaceChildren(...answer.unread.map((sentence) => el("li", { lang: "en" }, sentence)));
    empty.hidden = parts.length > 0;
    newer.disabled = pages.length === 0;
    older.disabled = parts.length < PAGE;
  }

  function turn(direction) {
    if (direction > 0) pages.push(parts.at(-1).captured_ms - 1);
    else pages.pop();
    scrollTo(0, 0);
    load(pages.at(-1));
  }

  function cell(part) {
    const image = part.picture
      ? el("img", {
          src: `/api/parts/${part.run}/${part.part}/thumbnail.jpg`,
          alt: "",
          loading: "lazy",
          decoding: "async",
          width: 320,
          height: 320,
        })
      : el("span", { class: "no-picture" }, t("rejects.no_picture"));
    const item = el(
      "li",
      {},
      el(
        "a",
        { class: "part-card", href: where(partName(part)) },
        el("span", { class: "thumb" }, image),
        el("span", { class: "line" }, badge(part), el("strong", {}, score(part.score)), reviewBadge(part)),
        el("span", {}, reason(part)),
        el("span", { class: "muted" }, `${t("live.part", { part: String(part.part) })} · ${when(part.captured_ms)}`),
      ),
    );
    item.dataset.name = partName(part);
    return item;
  }

  function update(part) {
    const at = parts.findIndex((each) => partName(each) === partName(part));
    if (at < 0) return;
    parts[at] = part;
    gallery.children[at]?.replaceWith(cell(part));
  }

  function open(item, from) {
    showPart(item, {
      update,
      neighbour(name, step) {
        const at = parts.findIndex((each) => partName(each) === name);
        return at < 0 ? null : (parts[at + step] ?? null);
      },
      go: (name) => location.replace(where(name, from ? { from } : {})),
      closed: () => visible && location.replace(from === "live" ? "#live" : where()),
    });
  }

  onLine((what, part) => {
    if (what !== "part" || !visible || pages.length || filters.hours === "own") return;
    const causes = CAUSES[filters.cause] ?? [];
    if (causes.length && !causes.includes(part.cause)) return;
    waiting += 1;
    fresh.hidden = false;
    fresh.textContent = t("rejects.fresh", { n: Math.min(waiting, 999) });
  });

  return {
    element,
    show(item, query) {
      visible = true;
      filters = Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, query.get(name) ?? value]));
      if (drawn !== where()) {
        drawn = where();
        fillForm();
        load();
      }
      if (item) open(item, query.get("from"));
      else showPart(null);
    },
    hide() {
      visible = false;
      showPart(null);
    },
  };
}

function choice(branch) {
  return branchWord(branch) === branch ? branch : `${branchWord(branch)} (${branch})`;
}
