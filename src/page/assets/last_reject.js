// The latest part that did not pass: on a fast line the live picture shows the next part before the operator has seen it.

import { get } from "./api.js";
import { el, icon, say } from "./dom.js";
import { score, t, when } from "./language.js";
import { partName } from "./line.js";
import { CAUSES, look, reason, verdictWord } from "./verdict.js";

/** The card; `take(part)` offers it each part, `fresh(parts)` all recent ones. */
export function lastReject() {
  const image = el("img", { alt: "", hidden: true });
  const heading = el("strong", {});
  const why = el("span", {});
  const at = el("span", { class: "muted" });
  const sign = el("span", { class: "sign" });
  const element = el(
    "a",
    { class: "card last-reject", hidden: true, href: "#rejects" },
    image,
    el(
      "div",
      {},
      el("span", { class: "label" }, t("live.last_reject")),
      el("span", { class: "line" }, sign, heading),
      why,
      at,
    ),
  );
  image.addEventListener("error", () => (image.hidden = true));
  let latest = null;

  function show(part) {
    latest = part;
    element.hidden = false;
    element.href = `#rejects/${partName(part)}?from=live`;
    element.classList.toggle("none", look(part) === "none");
    sign.replaceChildren(icon(look(part)));
    say(heading, verdictWord(part));
    say(why, reason(part));
    say(at, `${t("part.score")} ${score(part.score)} · ${when(part.captured_ms)}`);
    image.hidden = !part.picture;
    if (part.picture) image.src = `/api/parts/${part.run}/${part.part}/thumbnail.jpg`;
  }

  return {
    element,
    take: (part) => part.cause !== "good" && show(part),
    async fresh(parts) {
      const recent = parts.findLast((part) => part.cause !== "good");
      if (recent) return show(recent);
      // Among the parts before: without a journal there is no answer, and no card.
      const answer = await get(`/api/parts?cause=${CAUSES.rejected.join()}&limit=1`).catch(() => ({ parts: [] }));
      if (answer.parts.length && latest === null) show(answer.parts[0]);
      return undefined;
    },
  };
}
