// Two slots a product: what is at work, on trial and to go back to.

import { get, post } from "./api.js";
import { askReason, askWhether } from "./ask.js";
import { card, el, icon } from "./dom.js";
import { megabytes, t } from "./language.js";
import { fail, toast } from "./notices.js";
import { actionButton, whyLine } from "./rights.js";

const MOST_EVENTS = 8;

/** The card; `changed()` is called after an action, `onThere(whether)` when it is known whether there are slots. */
export function slotsCard(changed, onThere) {
  const body = el("div", { class: "products" });
  const events = el("ol", { class: "events" });
  const history = el("details", { hidden: true }, el("summary", {}, t("slots.events")), events);
  const rollback = actionButton(t("slots.rollback"), { hidden: true }, () =>
    askReason(t("slots.rollback"), t("slots.rollback_what"), t("slots.rollback"), async (reason) =>
      done(await post("/api/slots/rollback", { reason })),
    ),
  );
  const head = el("div", { class: "card-head" }, el("h2", {}, t("slots.heading")), rollback);
  const element = card(null, { class: "slots-card" }, head, whyLine(), body, history);

  function done(answer) {
    toast(answer.done);
    load();
    changed();
  }

  async function load() {
    let state;
    try {
      state = await get("/api/slots");
    } catch (refused) {
      rollback.hidden = true;
      onThere(refused.status !== 404);
      body.replaceChildren(el("p", { class: "empty" }, refused.status === 404 ? t("slots.none") : refused.message));
      if (refused.status !== 404) fail(refused);
      return;
    }
    onThere(true);
    const products = state.product ?? [];
    rollback.hidden = products.length === 0;
    body.replaceChildren(
      ...(products.length
        ? products.map((product) => productPart(product, state.active))
        : [el("p", { class: "empty" }, t("slots.empty"))]),
    );
    const latest = (state.event ?? []).slice(-MOST_EVENTS).reverse();
    history.hidden = latest.length === 0;
    events.replaceChildren(
      ...latest.map((event) => el("li", {}, el("time", {}, event.at), el("span", { lang: "en" }, event.what))),
    );
  }

  function productPart(product, active) {
    const atWork = product.name === active;
    const select = atWork
      ? el("span", { class: "badge good" }, icon("good"), t("slots.active"))
      : actionButton(t("slots.select"), {}, () =>
          askWhether(
            t("slots.select"),
            t("slots.select_what", { product: product.name }),
            t("slots.select"),
            async () => done(await post("/api/slots/select", { product: product.name })),
          ),
        );
    return el(
      "section",
      { class: "product" },
      el("div", { class: "card-head" }, el("h3", {}, product.name), select),
      el(
        "div",
        { class: "slots" },
        ["a", "b"].map((name) => slotPart(product, name, atWork)),
      ),
      el("p", { class: "muted" }, t("slots.floor", { version: product.floor })),
      product.calibration ? el("p", { class: "muted" }, `${t("live.calibration")}: ${product.calibration}`) : null,
      product.threshold ? el("p", { class: "muted" }, `${t("threshold.value")}: ${product.threshold}`) : null,
    );
  }

  return { element, load };
}

function slotPart(product, name, active) {
  const slot = product[name];
  const current = (product.trial?.slot ?? product.good) === name;
  const heading = el(
    "div",
    { class: "slot-head" },
    el("span", { class: "label" }, t("slots.slot", { name: name.toUpperCase() })),
    current && slot ? el("b", {}, t(active ? "slots.current" : "slots.ready")) : null,
  );
  if (!slot) return el("div", { class: "slot" }, heading, el("p", { class: "muted" }, t("slots.free")));
  const { kind, words } = condition(product, slot);
  const rows = [
    [t("slots.trained"), slot.trained],
    [t("slots.key"), slot.signed_by ?? t("slots.unsigned")],
    [t("slots.size"), megabytes(slot.bytes)],
    ["SHA-256", `${slot.sha256.slice(0, 12)}…`],
    [t("slots.region"), slot.region],
  ].filter(([, value]) => value);
  return el(
    "div",
    { class: `slot ${current ? "current" : ""}` },
    heading,
    el("strong", {}, t("slots.version", { version: String(slot.version) })),
    el("p", { class: `condition ${kind}` }, icon(kind), words),
    el(
      "dl",
      { class: "facts" },
      rows.map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))),
    ),
  );
}

/** A slot's condition as its look and in words. */
function condition(product, slot) {
  if (slot.condition === "confirmed") return { kind: "good", words: t("slots.confirmed") };
  if (slot.condition === "proven") return { kind: "alarm", words: t("slots.trial", { n: product.trial?.starts ?? 0 }) };
  if (slot.condition?.failed) return { kind: "bad", words: t("slots.failed", { why: slot.condition.failed }) };
  return { kind: "bad", words: t("slots.unusable", { why: slot.condition?.unusable ?? String(slot.condition) }) };
}
