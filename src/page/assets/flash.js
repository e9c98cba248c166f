// Installs a bundle: a file is chosen or dropped, sent with progress, then checked by the station.

import { upload } from "./api.js";
import { card, el, say } from "./dom.js";
import { megabytes, percent, t } from "./language.js";
import { toast } from "./notices.js";
import { actionButton, whyLine, whyNot } from "./rights.js";

/** The card; `changed()` is called after a flash. */
export function flashCard(changed) {
  const input = el("input", {
    type: "file",
    accept: ".aecsad",
    class: "unseen",
    tabindex: -1,
    "aria-label": t("flash.choose"),
    onchange: () => take(input.files[0]),
  });
  const choose = actionButton(t("flash.choose"), { class: "primary" }, () => input.click());
  const [addProduct, allowDowngrade] = ["add_product", "allow_downgrade"].map((name) =>
    el("input", { type: "checkbox", name }),
  );
  const allowed = el(
    "div",
    { class: "allowed" },
    el("label", {}, addProduct, t("flash.add")),
    el("label", {}, allowDowngrade, t("flash.older")),
  );
  const bar = el("progress", { max: 1, value: 0, "aria-label": t("flash.progress") });
  const step = el("p", { role: "status" });
  const going = el("div", { class: "going", hidden: true }, bar, step);
  const result = el("p", { class: "result", hidden: true, lang: "en" });
  const zone = el("div", { class: "drop" }, el("p", {}, t("flash.what")), input, choose, allowed);
  const element = card(t("flash.heading"), { class: "flash-card" }, zone, going, result, whyLine());
  let busy = false;

  async function take(file) {
    input.value = "";
    if (!file || busy) return;
    const reason = whyNot();
    if (reason) {
      toast(reason, "failed");
      return;
    }
    busy = true;
    choose.disabled = true;
    going.hidden = false;
    result.hidden = true;
    bar.value = 0;
    try {
      const path = `/api/slots/flash?add_product=${addProduct.checked}&allow_downgrade=${allowDowngrade.checked}`;
      const answer = await upload(path, file, (share) => {
        if (share < 1) bar.value = share;
        // Without a value it moves to and fro: how long the check takes is not known.
        else bar.removeAttribute("value");
        say(
          step,
          share < 1 ? t("flash.sent", { share: percent(share), size: megabytes(file.size) }) : t("flash.checked"),
        );
      });
      tell(answer.done, "good");
      toast(answer.done);
      changed();
    } catch (refused) {
      tell(refused.message, "bad");
      toast(refused.message, "failed");
    }
    going.hidden = true;
    choose.disabled = false;
    busy = false;
  }

  function tell(sentence, kind) {
    result.hidden = false;
    result.className = `result ${kind}`;
    say(result, sentence);
  }

  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  return { element };
}
