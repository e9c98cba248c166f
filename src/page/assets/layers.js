// Two pictures of one part, one over the other, with a slider that fades the heat map in.

import { el } from "./dom.js";
import { recall, remember, t } from "./language.js";

const KEY = "aecsad.heat";

/** The stage, its slider, and `show(seen, heat, alt)`, which takes two URLs or nulls. */
export function layers(empty) {
  const seen = el("img", { class: "layer", alt: "", hidden: true });
  const heat = el("img", { class: "layer", alt: "", hidden: true });
  const nothing = el("p", { class: "nothing" }, empty);
  const slider = el("input", {
    type: "range",
    min: 0,
    max: 100,
    step: 1,
    value: recall(KEY) ?? 70,
    "aria-label": t("heat.slider"),
  });
  const fade = () => {
    heat.style.opacity = String(slider.value / 100);
    slider.setAttribute("aria-valuetext", t("heat.value", { share: slider.value }));
  };
  slider.addEventListener("input", fade);
  slider.addEventListener("change", () => remember(KEY, slider.value));
  fade();
  const stage = el("div", { class: "stage" }, seen, heat, nothing);
  const end = (share, label) =>
    el(
      "button",
      {
        class: "plain",
        type: "button",
        onclick: () => {
          slider.value = share;
          fade();
          remember(KEY, share);
        },
      },
      label,
    );
  const controls = el("div", { class: "fader" }, end(0, t("heat.picture")), slider, end(100, t("heat.map")));

  function put(image, url, alt) {
    image.hidden = !url;
    image.alt = alt;
    if (url) image.src = url;
    else image.removeAttribute("src");
  }

  function show(seenUrl, heatUrl, alt) {
    put(seen, seenUrl, alt);
    // The heat map says nothing that the words beside it don't, so it is silent for screen readers.
    put(heat, heatUrl, "");
    nothing.hidden = Boolean(seenUrl);
  }

  // A picture that is not kept any more leaves the sentence in its place.
  seen.addEventListener("error", () => show(null, null, ""));
  heat.addEventListener("error", () => (heat.hidden = true));
  return { stage, controls, show };
}
