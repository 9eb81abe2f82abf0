// The panel for the selected row: like a browser's computed styles, the winner first, losers struck out.

import { code, element, many, shown } from "./dom.js";
import { histogram } from "./histogram.js";
import { finding, link, symbol, variable } from "./pieces.js";

const AT_ONCE = 100; // members listed before "more"
const FROZEN = "It is frozen, and rules pass over it.";
const UNCLAIMED = "No rule claims it: its value stays as it is.";

/** What the panel says about a parameter, a group of them, or a module. `filterBy(text)` sets the filter. */
export function details(model, node, filterBy) {
  return node.kind === "module" ? aboutModule(model, node, filterBy) : aboutParameter(model, node, filterBy);
}

function aboutParameter(model, node, filterBy) {
  const slot = node.members[0];
  const style = model.styleOf(slot);
  const parameters = [...new Set(node.members.map((member) => model.slotParameter[member]))];
  const wrapped = style.parametrized ? `, parametrized by ${style.parametrized.map(shown).join(", ")}` : "";
  const part = node.whole > parameters.length ? `${parameters.length} of ` : "";
  const kind = part || parameters.length > 1 ? part + many(node.whole ?? parameters.length, style.kind) : style.kind;
  return [
    element("h2", {}, code(node.pattern)),
    element("p", { class: "facts" }, `${kind}, ${style.shape}, ${style.dtype}${wrapped}`),
    model.versions.map((version, at) => aboutVersion(model, version, at, parameters, filterBy)),
    captures(style),
    alike(model, parameters, filterBy),
    names(model, parameters),
  ].flat();
}

function aboutVersion(model, version, at, parameters, filterBy) {
  const slot = parameters[0];
  const side = model.side(slot, at);
  const decisions = side.decisions.map((number) => version.decisions[number]);
  const held = version.histograms[model.style[slot]];
  const findings = [...new Set(parameters.slice(0, 1000).flatMap((one) => model.findings(one, at)))];
  return element(
    "section",
    { class: "version" },
    model.versions.length > 1 && element("h3", { class: "version-name" }, code(version.name)),
    element("p", { class: "computed" }, symbol(side.state), element("code", {}, shown(side.value))),
    numbers(side),
    held && histogram(held, side, model.alike(slot)),
    !decisions.length && element("p", {}, side.state === "frozen" ? FROZEN : UNCLAIMED),
    decisions.map((decision) => aboutDecision(version, decision, filterBy)),
    findings.map((one) => finding(one, null)),
  );
}

function numbers(side) {
  const pairs = [];
  if (side.fans)
    pairs.push([
      "fans",
      `${side.fans.join(" → ")}${side.torchFans ? `; torch.nn.init would read ${side.torchFans.join(" → ")}` : ""}`,
    ]);
  if (side.std) pairs.push(["expected mean", side.moments[0]], ["expected std", side.moments[1]]);
  return pairs.length
    ? element(
        "dl",
        { class: "numbers" },
        pairs.map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
      )
    : null;
}

const PROPERTIES = { set: "starts as", parametrize: "wrapped in" };

function aboutDecision(version, decision, filterBy) {
  const property = PROPERTIES[decision.prop] ?? decision.prop;
  return element(
    "div",
    { class: "decision" },
    claim(version, decision, property, decision, filterBy),
    decision.losers?.map((loser) => claim(version, loser, property, null, filterBy)),
  );
}

/** One rule's claim: its name and place, its selector, its declaration; struck out with the reason if it lost. */
function claim(version, one, property, won, filterBy) {
  const rule = version.rules.find((candidate) => candidate.name === one.rule);
  const declaration = element(
    won ? "div" : "s",
    { class: "declaration" },
    element("span", { class: "property" }, `${property}: `),
    element("code", {}, shown(one.written)),
    won &&
      shown(won.value) !== shown(one.written) &&
      element(
        "span",
        { class: "evaluated" },
        " = ",
        element("code", {}, shown(won.value) || "a value that cannot be computed"),
      ),
  );
  return element(
    "div",
    { class: won ? "claim won" : "claim lost" },
    element(
      "div",
      { class: "claim-head" },
      link(shown(one.rule), "show all that this rule decides", () => filterBy(`rule: ${one.rule}`)),
      element("span", { class: "tier" }, rule?.tier ?? ""),
      code(one.place, { class: "place" }),
    ),
    rule && element("div", { class: "selects" }, "selects ", element("code", {}, shown(rule.select))),
    declaration,
    won && rule?.why && element("p", { class: "why" }, shown(rule.why)),
    won?.variables && variables(version, won.variables),
    !won && element("p", { class: "reason" }, `lost, because ${shown(one.reason)}`),
  );
}

function variables(version, names) {
  const known = new Map(version.variables.map((variable) => [variable.name, variable]));
  return element(
    "ul",
    { class: "variables" },
    names.map((name) => variable(known.get(name))),
  );
}

function captures(style) {
  if (!style.captures) return [];
  const rows = Object.entries(style.captures).map(([name, values]) =>
    element(
      "li",
      {},
      element(
        "span",
        {},
        element("code", { class: "variable" }, shown(name)),
        " = ",
        element("code", {}, shown(values)),
      ),
      element("span", { class: "place" }, "from the path"),
    ),
  );
  return [element("h3", {}, "Captures"), element("ul", { class: "variables" }, rows)];
}

/** The table's groups that these parameters stand in, where they are not all of the group. */
function alike(model, parameters, filterBy) {
  const groups = [...new Set(parameters.slice(0, 1000).map((one) => model.group(one)))];
  if (groups.length === 1 && groups[0][1].length === parameters.length) return [];
  return [
    element("h3", {}, "Decided alike"),
    element(
      "ul",
      { class: "plain" },
      groups.slice(0, 20).map(([pattern, members]) =>
        element(
          "li",
          {},
          link(code(pattern), "show this group", () => filterBy(pattern)),
          ` ×${members.length.toLocaleString("en")}`,
        ),
      ),
    ),
  ];
}

/** Every name, a hundred at a time. */
function names(model, parameters) {
  const slots = parameters.flatMap((one) => [one, ...(model.otherSlots.get(one) ?? [])]);
  if (slots.length === 1) return [];
  const list = element("ul", { class: "plain members" });
  const more = element("button", { class: "more", onclick: () => extend() });
  let listed = 0;
  const extend = () => {
    const next = slots.slice(listed, listed + AT_ONCE);
    list.append(
      ...next.map((slot) =>
        element(
          "li",
          {},
          code(model.slotPath(slot)),
          slot >= model.parameters && element("span", { class: "tied" }, " ~ tied"),
        ),
      ),
    );
    listed += next.length;
    const left = slots.length - listed;
    more.textContent = `show ${Math.min(AT_ONCE, left)} of ${left.toLocaleString("en")} more`;
    more.hidden = left <= 0;
  };
  const fold = element(
    "details",
    {
      ontoggle: () => {
        if (fold.open && !listed) extend();
      },
    },
    element("summary", {}, many(slots.length, "name")),
    list,
    more,
  );
  return [fold];
}

function aboutModule(model, node, filterBy) {
  const [first] = node.members;
  const classes = model.types[model.type[first]].map(([name, qualified]) => qualified ?? name);
  const owned = node.members.flatMap((module) => model.slotsOf[module] ?? []);
  return [
    element("h2", {}, node.pieces.length ? code(node.pattern) : code(node.label)),
    element(
      "p",
      { class: "facts" },
      node.members.length > 1
        ? `${many(node.members.length, "module")}, alike in classes, parameters and decisions`
        : owned.length
          ? `a module with ${many(owned.length, "parameter")} of its own`
          : "a module without parameters of its own",
    ),
    ownParameters(model, first),
    element("h3", {}, classes.length > 1 ? "Classes, nearest first" : "Class"),
    element(
      "ul",
      { class: "plain" },
      classes.map((name, at) =>
        element(
          "li",
          {},
          link(code(name), "show all modules of this class", () => filterBy(`type: ${JSON.stringify(name)}`)),
        ),
      ),
    ),
    node.members.length > 1 ? moduleNames(model, node.members) : null,
  ]
    .flat()
    .filter(Boolean);
}

/** The module's own parameters with what each plan decides about their values. */
function ownParameters(model, module) {
  const slots = model.slotsOf[module] ?? [];
  const rows = slots.flatMap((slot) =>
    model.versions.map((version, at) => {
      const side = model.side(slot, at);
      const decision = version.decisions[side.decisions[0]];
      return element(
        "tr",
        {},
        element("td", {}, symbol(side.state), " ", at ? "" : code(model.local(slot))),
        element("td", {}, element("code", {}, shown(side.value))),
        element("td", {}, decision ? shown(decision.rule) : ""),
      );
    }),
  );
  return rows.length ? [element("table", { class: "rules own" }, element("tbody", {}, rows))] : [];
}

function moduleNames(model, modules) {
  const list = element("ul", { class: "plain members" });
  const fold = element(
    "details",
    {
      ontoggle: () => {
        if (fold.open && !list.childElementCount)
          list.append(...modules.slice(0, 1000).map((module) => element("li", {}, code(model.path(module)))));
      },
    },
    element("summary", {}, many(modules.length, "path")),
    list,
    modules.length > 1000 && element("p", {}, `and ${many(modules.length - 1000, "more path")}`),
  );
  return fold;
}
