// What several parts of the page show: a sign, one variable, one finding.

import { code, element, many, shown } from "./dom.js";

const SYMBOLS = {
  written: ["●", "written"],
  kept: ["=", "kept"],
  none: ["○", "no rule"],
  error: ["✗", "in error"],
  frozen: ["❄", "frozen"],
};

/** What becomes of a parameter, as the plan's own sign. */
export function symbol(state) {
  const [sign, said] = SYMBOLS[state];
  return element("span", { class: `symbol ${state}`, role: "img", "aria-label": said, title: said }, sign);
}

/** A button that looks like a link. */
export function link(content, title, action) {
  return element("button", { type: "button", class: "link", title, onclick: action }, content);
}

/** `hidden_gain = sqrt(2) = 1.414   preset:ppo:8:16`. */
export function variable({ name, written, value, place }) {
  return element(
    "li",
    {},
    element(
      "span",
      {},
      element("code", { class: "variable" }, shown(name)),
      " = ",
      element("code", {}, shown(written)),
      value !== undefined && element("span", { class: "evaluated" }, " = ", element("code", {}, shown(value))),
    ),
    code(place, { class: "place" }),
  );
}

/** One finding: what, where, the line with its mark, the way out. */
export function finding(one, filterBy) {
  return element(
    "div",
    { class: `finding ${one.severity}` },
    element(
      "div",
      { class: "finding-head" },
      element("span", { class: "severity" }, one.severity),
      element("span", { class: "code" }, one.code),
      one.place && code(one.place, { class: "place" }),
    ),
    element("p", {}, shown(one.message)),
    one.line && one.severity !== "info" && sourceLine(one),
    one.hint && element("p", { class: "hint" }, shown(one.hint)),
    filterBy &&
      one.parameters?.length &&
      link(`show ${many(one.parameters.length, "parameter")}`, "show all with this code", () =>
        filterBy(`finding: ${one.code}`),
      ),
  );
}

function sourceLine({ line, mark: [start, width] }) {
  const marked = line.slice(start, start + width);
  return element(
    "pre",
    {},
    shown(line.slice(0, start).trimStart()),
    element("mark", {}, shown(marked)),
    shown(line.slice(start + width)),
  );
}
