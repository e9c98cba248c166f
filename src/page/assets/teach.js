// From marks to a better bundle: the reviewed pictures as a download, and the command that learns from them.

import { card, el } from "./dom.js";
import { t } from "./language.js";
import { line, onLine } from "./line.js";

/** The name that a shell takes as one word, whatever the product is called. */
const word = (name) => (name ?? "product").replace(/[^A-Za-z0-9_.-]+/g, "-") || "product";

const commands = (product) =>
  [
    "tar -xf reviewed.tar",
    `aecsad-train fit images/${product} --out ${product}.aecsad --more-good good --bad bad`,
  ].join("\n");

export function teachCard() {
  const shell = el("code", {}, commands("product"));
  onLine((what) => what === "fresh" && (shell.textContent = commands(word(line.state.product))));
  if (line.state) shell.textContent = commands(word(line.state.product));
  return card(
    t("teach.heading"),
    { class: "teach" },
    el("p", {}, t("teach.how")),
    el("a", { class: "button", href: "/api/reviewed.tar", download: "reviewed.tar" }, t("teach.download")),
    el("pre", { tabindex: 0, "aria-label": t("teach.command") }, shell),
  );
}
