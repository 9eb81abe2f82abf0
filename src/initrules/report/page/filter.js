// What the filter box finds: selectors as in rule files, and a few keys about decisions.
//
// A selector meets modules; a path meets parameters by their own names too, so that a printed group
// can be pasted. This follows initrules/matcher.py, and tests ask both the same questions.

import { read } from "./flow.js";
import { SyntaxProblem, namePattern, pathPattern, typePattern } from "./pattern.js";

const NESTED = ["path", "name", "type", "parent", "inside", "next", "not", "pick"];
const DECISIONS = ["rule", "over", "value", "finding"];
const PICKS = ["first", "last", "all-but-first", "all-but-last"];
const NOT_MET = -2; // an answer is an Int32Array: for each module NOT_MET, or the name met by `inside`, or -1

/** The filter that a text asks for: `{ modules, slots, note }`, or null for an empty text. */
export function filter(model, text) {
  if (!text.trim()) return null;
  const asked = read(text);
  const found = new Asker(model).filter(many(asked).map((one) => selector(one, true)));
  if (typeof asked !== "string" || found.slots.includes(1) || found.modules.includes(1)) return found;
  return containing(model, asked, found);
}

/** Where no path matches a plain word: the names that contain it, and a word that says so. */
function containing(model, word, nothing) {
  if (/[*?[\]{}<>]|^re:/.test(word)) return nothing;
  const wanted = word.toLowerCase();
  const modules = Uint8Array.from({ length: model.size }, (_, at) => model.path(at).toLowerCase().includes(wanted));
  const slots = Uint8Array.from({ length: model.slots }, (_, at) => model.slotPath(at).toLowerCase().includes(wanted));
  const note = `no path is '${word}': shown are those that contain it`;
  return slots.includes(1) || modules.includes(1) ? { modules, slots, note } : nothing;
}

function many(value) {
  return Array.isArray(value) ? value : [value];
}

function selector(node, top = false) {
  if (typeof node === "string") return { path: [pathPattern(node)] };
  if (Array.isArray(node)) throw new SyntaxProblem("a list inside a list");
  const found = {};
  for (const [key, value] of node) {
    if (key === "where") throw new SyntaxProblem("'where' is an expression, and only 'initrules plan' evaluates those");
    if (key === "frozen" && top) continue; // the page shows frozen parameters anyway
    if (!NESTED.includes(key) && !(top && DECISIONS.includes(key))) {
      const known = top ? [...NESTED, ...DECISIONS] : NESTED;
      throw new SyntaxProblem(`there is no key '${key}'; the keys are ${known.join(", ")}`);
    }
    found[key] = many(value).map(READERS[key] ?? ((one) => selector(one)));
  }
  return found;
}

function text(make) {
  return (value) => {
    if (typeof value !== "string") throw new SyntaxProblem("expected a pattern");
    return make(value);
  };
}

function pick(value) {
  if (PICKS.includes(value)) return value;
  if (!/^[+-]?\d+$/.test(value)) throw new SyntaxProblem(`'pick' is a number or one of ${PICKS.join(", ")}`);
  return Number(value);
}

/** Words about decisions match anywhere with '*', else as a whole. */
function words(value) {
  const parts = value.split("*").map((part) => part.replace(/[\\^$.+?()[\]{}|/]/g, "\\$&"));
  const whole = new RegExp(`^${parts.join(".*")}$`, "isu");
  return (said) => whole.test(said);
}

const READERS = {
  path: text(pathPattern),
  name: text(namePattern),
  type: text(typePattern),
  pick: text(pick),
  rule: text(words),
  over: text(words),
  value: text(words),
  finding: text(words),
};

/** Asks selectors of a model; answers are remembered. */
class Asker {
  constructor(model) {
    this.model = model;
    this.byType = new Map();
  }

  filter(selectors) {
    const modules = new Uint8Array(this.model.size);
    const slots = new Uint8Array(this.model.slots);
    for (const one of selectors) {
      const aboutModules = NESTED.some((key) => one[key]);
      const met = this.one(one);
      const excluded = one.not ? this.meets(one.not) : null;
      const aboutDecisions = DECISIONS.some((key) => one[key]);
      const decided = this.remembered(one);
      const besides = one.path && !one.pick ? this.one({ ...one, path: undefined }) : null;
      for (let slot = 0; slot < this.model.slots; slot += 1) {
        const owner = this.model.slotOwner[slot];
        const named = besides && besides[owner] !== NOT_MET && one.path.some((path) => path(this.model.slotPath(slot)));
        if (aboutModules && met[owner] === NOT_MET && !named) continue;
        if (excluded && this.owners(slot).some((module) => excluded[module] !== NOT_MET)) continue;
        if (!aboutDecisions || decided(slot)) slots[slot] = 1;
      }
      if (aboutModules && !aboutDecisions)
        met.forEach((answer, module) => {
          modules[module] |= answer !== NOT_MET;
        });
    }
    return { modules, slots };
  }

  /** Every module that owns the parameter of a slot, by any of its names. */
  owners(slot) {
    const parameter = this.model.slotParameter[slot];
    const others = this.model.otherSlots.get(parameter) ?? [];
    return [parameter, ...others].map((one) => this.model.slotOwner[one]);
  }

  /** `decided`, asked once for each style where no finding is asked for. */
  remembered(one) {
    if (one.finding) return (slot) => this.decided(one, slot);
    const known = new Map();
    return (slot) => {
      const style = this.model.style[this.model.slotParameter[slot]];
      if (!known.has(style)) known.set(style, this.decided(one, slot));
      return known.get(style);
    };
  }

  /** Whether some plan decides a parameter as asked: by one of its rules, over one, to a value, with a finding. */
  decided(one, slot) {
    return this.model.versions.some((version, at) => {
      const side = this.model.side(slot, at);
      const decisions = side.decisions.map((number) => version.decisions[number]);
      const losers = decisions.flatMap((decision) => decision.losers ?? []);
      const findings = one.finding ? this.model.findings(this.model.slotParameter[slot], at) : [];
      return [
        [one.rule, decisions.map((decision) => decision.rule)],
        [one.over, losers.map((loser) => loser.rule)],
        [one.value, [side.value, ...decisions.map((decision) => decision.value)]],
        [one.finding, findings.flatMap((finding) => [finding.code, finding.severity])],
      ].every(([asked, said]) => !asked || asked.some((matches) => said.some(matches)));
    });
  }

  /** The answer of several selectors: what any of them meets; the first that does counts. */
  meets(selectors) {
    const found = new Int32Array(this.model.size).fill(NOT_MET);
    for (const one of selectors) {
      this.one(one).forEach((answer, module) => {
        if (found[module] === NOT_MET) found[module] = answer;
      });
    }
    return found;
  }

  one(selector) {
    const { model } = this;
    const met = new Int32Array(model.size).fill(-1);
    const keep = (holds) => {
      for (let module = 0; module < met.length; module += 1) {
        if (met[module] !== NOT_MET && !holds(module)) met[module] = NOT_MET;
      }
    };
    if (selector.type) keep((module) => this.ofType(module, selector.type));
    if (selector.path) keep((module) => selector.path.some((path) => path(model.path(module))));
    if (selector.name) keep((module) => selector.name.some((name) => name(model.segment(module))));
    for (const [key, relative] of [
      ["parent", model.parent],
      ["next", model.next],
    ]) {
      if (!selector[key]) continue;
      const others = this.meets(selector[key]);
      keep((module) => relative[module] >= 0 && others[relative[module]] !== NOT_MET);
    }
    if (selector.inside) this.inside(met, this.meets(selector.inside));
    if (selector.not) {
      const objects = new Set();
      this.meets(selector.not).forEach((answer, module) => answer !== NOT_MET && objects.add(model.object[module]));
      keep((module) => !objects.has(model.object[module]));
    }
    if (selector.pick) {
      const kept = this.picked(met, selector);
      keep((module) => kept.has(module));
    }
    return met;
  }

  ofType(module, patterns) {
    const type = this.model.type[module];
    const known = this.byType.get(patterns) ?? this.byType.set(patterns, new Map()).get(patterns);
    if (!known.has(type))
      known.set(
        type,
        patterns.some((matches) => matches(this.model.types[type])),
      );
    return known.get(type);
  }

  /** Keeps the modules that are in, or are, one of `others`; notes the nearest. Parents stand before children. */
  inside(met, others) {
    const nearest = new Int32Array(met.length);
    for (let module = 0; module < met.length; module += 1) {
      const above = this.model.parent[module];
      nearest[module] = others[module] !== NOT_MET ? module : above >= 0 ? nearest[above] : NOT_MET;
      if (met[module] !== NOT_MET) met[module] = nearest[module];
    }
  }

  picked(met, selector) {
    const groups = new Map();
    met.forEach((answer, module) => {
      if (answer === NOT_MET) return;
      const group = selector.inside ? answer : this.model.parent[module];
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(module);
    });
    return new Set([...groups.values()].flatMap((members) => selector.pick.flatMap((one) => pickedFrom(members, one))));
  }
}

function pickedFrom(members, one) {
  switch (one) {
    case "first":
      return members.slice(0, 1);
    case "last":
      return members.slice(-1);
    case "all-but-first":
      return members.slice(1);
    case "all-but-last":
      return members.slice(0, -1);
    default:
      return members.slice(one, one === -1 ? undefined : one + 1);
  }
}
