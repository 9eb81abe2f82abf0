// A histogram of what a group's parameters hold, with the mean and std that the plan expects.

import { drawing, element, many } from "./dom.js";

const [WIDTH, HEIGHT] = [360, 84];

/** `held`: bins with the measured mean and std, of so many `parameters`; `side`: what the plan expects. */
export function histogram(held, side, parameters) {
  const [mean, std] = side.expected ?? [null, null];
  const said = sentence(held, side, parameters);
  if (held.counts.length < 2) return element("p", { class: "held" }, said);
  const at = (value) => ((value - held.low) / (held.high - held.low)) * WIDTH;
  const inside = (value) => Math.max(0, Math.min(WIDTH, at(value)));
  const most = Math.max(...held.counts);
  const step = WIDTH / held.counts.length;
  const bars = held.counts.map((count, bin) => {
    const height = count ? Math.max(1, (count / most) * (HEIGHT - 6)) : 0;
    const [left, up, wide] = [bin * step + 0.5, height, step - 1].map((number) => number.toFixed(1));
    return `M${left} ${HEIGHT}v-${up}h${wide}v${up}z`;
  });
  const band = std
    ? [
        drawing("rect", {
          class: "band",
          x: inside(mean - std),
          y: 0,
          width: inside(mean + std) - inside(mean - std),
          height: HEIGHT,
        }),
        ...[mean - std, mean + std]
          .filter((value) => value > held.low && value < held.high)
          .map((value) => drawing("path", { class: "sigma", d: `M${at(value).toFixed(1)} 0V${HEIGHT}` })),
      ]
    : [];
  return element(
    "figure",
    { class: "histogram" },
    drawing(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": `Histogram: ${said}`,
      },
      band[0],
      drawing("path", { class: "bars", d: bars.join("") }),
      band.slice(1),
    ),
    element(
      "div",
      { class: "axis", "aria-hidden": "true" },
      element("span", {}, short(held.low)),
      std ? element("span", { class: "key" }, "expected mean ± std") : null,
      element("span", {}, short(held.high)),
    ),
    element("figcaption", {}, said),
  );
}

function sentence(held, side, parameters) {
  const values = many(held.count, "value") + (parameters > 1 ? ` of ${many(parameters, "parameter")}` : "");
  const strange = held.strange ? `, ${held.strange.toLocaleString("en")} not finite` : "";
  if (held.count === 0) return `no finite value${strange}`;
  if (held.counts.length < 2) return `${values}, all ${short(held.low)}${strange}`;
  const expected = side.moments ? ` (expected ${side.moments[1]})` : "";
  const mean = side.moments ? ` (expected ${side.moments[0]})` : "";
  return `${values}: std ${short(held.std)}${expected}, mean ${short(held.mean)}${mean}${strange}`;
}

function short(number) {
  const text = Number(number.toPrecision(4));
  return text !== 0 && (Math.abs(text) < 1e-4 || Math.abs(text) >= 1e6) ? text.toExponential() : String(text);
}
