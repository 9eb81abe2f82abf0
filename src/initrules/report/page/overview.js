// What holds for the whole plan: findings, rules with what they won, variables with their origin.

import { code, element, many, shown } from "./dom.js";
import { finding, link, variable } from "./pieces.js";

/** The panel when nothing is selected. */
export function overview(model, filterBy) {
  return model.versions.flatMap((version) =>
    [
      model.versions.length > 1
        ? element("h2", { class: "version-name" }, code(version.name))
        : element("h2", {}, "This plan"),
      element("p", { class: "facts" }, shown(version.counts)),
      version.about && element("p", {}, shown(version.about)),
      serious(version, filterBy),
      rules(version, filterBy),
      element("p", { class: "precedence" }, model.data.precedence),
      version.variables.length && [
        element("h3", {}, "Variables"),
        element("ul", { class: "variables" }, version.variables.map(variable)),
      ],
      information(version, filterBy),
      element("h3", {}, version.files.length > 1 ? "Files, base first" : "File"),
      element(
        "ul",
        { class: "plain" },
        version.files.map((file) => element("li", {}, code(file))),
      ),
    ]
      .flat(Infinity)
      .filter((one) => one instanceof Node),
  );
}

/** Errors and warnings. */
function serious(version, filterBy) {
  const found = version.findings.filter((one) => one.severity !== "info");
  return found.length ? [element("h3", {}, "Findings"), found.map((one) => finding(one, filterBy))] : [];
}

/** What is only worth knowing, folded. */
function information(version, filterBy) {
  const found = version.findings.filter((one) => one.severity === "info");
  if (!found.length) return [];
  return [
    element(
      "details",
      {},
      element("summary", {}, many(found.length, "note")),
      found.map((one) => finding(one, filterBy)),
    ),
  ];
}

function rules(version, filterBy) {
  const heads = [
    ["rule", ""],
    ["tier", ""],
    ["claims", "number"],
    ["wins", "number"],
    ["rest goes to", ""],
  ];
  const rows = version.rules.map((rule) =>
    element(
      "tr",
      {},
      element(
        "td",
        {},
        link(shown(rule.name), "show all that this rule decides", () => filterBy(`rule: ${rule.name}`)),
      ),
      element("td", { class: "tier" }, rule.tier),
      element("td", { class: "number" }, rule.claimed.toLocaleString("en")),
      element("td", { class: "number" }, rule.won.toLocaleString("en")),
      element(
        "td",
        {},
        Object.entries(rule.taken)
          .map(([name, count]) => `${shown(name)} ${count.toLocaleString("en")}`)
          .join(", "),
      ),
    ),
  );
  return [
    element("h3", {}, "Rules, weakest first"),
    element(
      "table",
      { class: "rules" },
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          heads.map(([name, kind]) => element("th", { class: kind || undefined, scope: "col" }, name)),
        ),
      ),
      element("tbody", {}, rows),
    ),
  ];
}
