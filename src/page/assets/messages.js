// Alarms and notices of the station, the latest first. A new alarm is read out.

import { card, el, icon } from "./dom.js";
import { recall, remember, t, when } from "./language.js";
import { line, onLine } from "./line.js";
import { announce } from "./notices.js";

const KEY = "aecsad.messages";
const MOST_SHOWN = 100;

/** The card of messages. */
export function messagesCard() {
  let shown = recall(KEY) === "all" ? "all" : "alarms";
  const list = el("ol", { class: "messages", tabindex: 0, "aria-label": t("messages.heading") });
  const choices = ["alarms", "all"].map((choice) =>
    el(
      "button",
      {
        type: "button",
        "aria-pressed": String(choice === shown),
        onclick: () => choose(choice),
      },
      t(`messages.${choice}`),
    ),
  );
  const head = el(
    "div",
    { class: "card-head" },
    el("h2", {}, t("messages.heading")),
    el("div", { class: "segments" }, choices),
  );

  function choose(choice) {
    shown = choice;
    remember(KEY, choice);
    ["alarms", "all"].forEach((each, n) => choices[n].setAttribute("aria-pressed", String(each === choice)));
    fill();
  }

  const wanted = (message) => shown === "all" || message.alarm;

  function row(message) {
    return el(
      "li",
      { class: message.alarm ? "alarm" : "notice" },
      icon(message.alarm ? "alarm" : "notice"),
      el("time", { datetime: new Date(message.at_ms).toISOString() }, when(message.at_ms)),
      el("span", { class: "unseen" }, t(message.alarm ? "messages.an_alarm" : "messages.a_notice")),
      el("p", { lang: "en" }, message.sentence),
    );
  }

  function fill() {
    const rows = line.messages.filter(wanted).slice(-MOST_SHOWN).reverse().map(row);
    list.replaceChildren(...(rows.length ? rows : [el("li", { class: "empty" }, t(`messages.no_${shown}`))]));
  }

  onLine((what, item) => {
    if (what === "fresh") fill();
    if (what !== "message") return;
    if (item.alarm) announce(`${t("messages.an_alarm")} ${item.sentence}`);
    if (!wanted(item)) return;
    list.querySelector(".empty")?.remove();
    list.prepend(row(item));
    while (list.childElementCount > MOST_SHOWN) list.lastElementChild.remove();
  });
  fill();
  return card(null, { class: "messages-card" }, head, list);
}
