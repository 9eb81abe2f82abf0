// The rows of the grid: a module tree in which equal siblings are folded, made as far as it is open.
//
// Two modules are of one kind when their classes, their parameters' styles and their children's kinds
// are equal. Siblings of one kind whose names are numbers are one row, `{0..29}`; what stands below it
// stands for all of them, so each row's pattern matches exactly its members.

import { escaped } from "./pattern.js";

const NUMBER = /^(?:0|[1-9][0-9]{0,8})$/;
const SPECIAL = /[*?[\]{}<>,]|^re:|[\p{C}\p{Zl}\p{Zp}]/u;

/** One row. `members` are modules, or slots of parameters; `open` is "", "structure" or "members". */
class Node {
  constructor(kind, members, parent, pieces, label) {
    Object.assign(this, { kind, members, parent, pieces, label, open: "", position: 1, siblings: 1 });
    this.level = parent ? parent.level + 1 : 1;
  }

  /** A pattern that matches exactly the members. */
  get pattern() {
    return this.given ?? patternText(this.pieces);
  }
}

export class Tree {
  constructor(model) {
    this.model = model;
    this.rows = [];
    this.show(null);
  }

  /** Show what a filter found, or everything; `extra` leaves out slots that do not hold. */
  show(found, extra = null) {
    const { model } = this;
    this.slots = found?.slots ?? new Uint8Array(model.slots).fill(1);
    if (extra) this.slots = this.slots.map((shown, slot) => (shown && extra(slot) ? 1 : 0));
    const whole = !found && !extra;
    this.met = found && !extra ? found.modules : null;
    this.visible = new Uint8Array(model.size).fill(whole ? 1 : 0);
    if (!whole) this.reveal();
    this.kinds = this.kindsOfModules();
    this.parameters = new Set();
    this.slots.forEach((shown, slot) => shown && this.parameters.add(model.slotParameter[slot]));
    this.root = new Node("module", [0], null, [], model.typeName(0) || "model");
    this.rows = this.visible[0] ? [this.root] : [];
  }

  /** Modules that are found, that own something found, or that hold such modules. Children stand after parents. */
  reveal() {
    const { model } = this;
    this.slots.forEach((shown, slot) => {
      if (shown) this.visible[model.slotOwner[slot]] = 1;
    });
    this.met?.forEach((is, module) => {
      if (is) this.visible[module] = 1;
    });
    for (let module = model.size - 1; module > 0; module -= 1) {
      if (this.visible[module]) this.visible[model.parent[module]] = 1;
    }
  }

  kindsOfModules() {
    const { model } = this;
    const known = new Map();
    const kinds = new Int32Array(model.size);
    for (let module = model.size - 1; module >= 0; module -= 1) {
      if (!this.visible[module]) continue;
      let key = `${model.type[module]}${this.met?.[module] ? "!" : ""}`;
      for (const slot of this.shownSlots(module)) {
        const style = model.style[model.slotParameter[slot]];
        key += `|${model.slotText[slot]}:${style}${slot < model.parameters ? "" : "~"}`;
      }
      for (const child of model.children(module)) {
        if (this.visible[child]) key += `/${model.data.modules.segment[child]}:${kinds[child]}`;
      }
      if (!known.has(key)) known.set(key, known.size);
      kinds[module] = known.get(key);
    }
    return kinds;
  }

  shownSlots(module) {
    return (this.model.slotsOf[module] ?? []).filter((slot) => this.slots[slot]);
  }

  shownChildren(module) {
    return this.model.children(module).filter((child) => this.visible[child]);
  }

  /** Whether a row has rows below it. */
  opens(node) {
    return (
      node.kind === "module" &&
      (this.shownSlots(node.members[0]).length > 0 || this.shownChildren(node.members[0]).length > 0)
    );
  }

  /** The rows directly below a row: of all members at once, or one for each member. */
  below(node, mode) {
    const found = mode === "members" ? this.memberNodes(node) : [...this.slotNodes(node), ...this.childNodes(node)];
    found.forEach((one, at) => Object.assign(one, { position: at + 1, siblings: found.length }));
    return found;
  }

  slotNodes(node) {
    const lists = node.members.map((module) => this.shownSlots(module));
    return lists[0].map((slot, at) => {
      const local = this.model.local(slot);
      return new Node(
        "parameter",
        lists.map((list) => list[at]),
        node,
        [...node.pieces, { text: local }],
        local,
      );
    });
  }

  childNodes(node) {
    const lists = node.members.map((module) => this.shownChildren(module));
    const folds = new Map();
    lists[0].forEach((child, at) => {
      const name = this.model.segment(child);
      const key = NUMBER.test(name) ? `kind ${this.kinds[child]}` : `child ${child}`;
      if (!folds.has(key)) folds.set(key, []);
      folds.get(key).push(at);
    });
    return [...folds.values()].map((places) => {
      const names = places.map((at) => this.model.segment(lists[0][at]));
      const piece = names.length > 1 ? { numbers: names.map(Number) } : { text: names[0] };
      const members = lists.flatMap((list) => places.map((at) => list[at]));
      return new Node("module", members, node, [...node.pieces, piece], pieceText(piece));
    });
  }

  memberNodes(node) {
    return node.members.map((module) => {
      const path = this.model.path(module);
      const label = node.parent.members.length === 1 ? this.model.segment(module) : path;
      return new Node(
        "module",
        [module],
        node,
        this.segments(module).map((text) => ({ text })),
        label,
      );
    });
  }

  segments(module) {
    const found = [];
    for (let at = module; at > 0; at = this.model.parent[at]) found.unshift(this.model.segment(at));
    return found;
  }

  /** Open a row, close it, or change what it shows. */
  toggle(at, mode) {
    const node = this.rows[at];
    if (node.open) this.rows.splice(at + 1, this.extent(at));
    node.open = node.open === mode || !this.opens(node) ? "" : mode;
    if (node.open) this.rows = this.rows.slice(0, at + 1).concat(this.below(node, mode), this.rows.slice(at + 1));
  }

  /** How many rows stand below a row. */
  extent(at) {
    const { level } = this.rows[at];
    let end = at + 1;
    while (end < this.rows.length && this.rows[end].level > level) end += 1;
    return end - at - 1;
  }

  /** Open rows from the top, level by level, while no more than `most` rows are shown. */
  openSome(most) {
    let level = this.rows.slice();
    let count = this.rows.length;
    const below = new Map();
    while (level.length) {
      const next = [];
      for (const node of level) {
        if (!this.opens(node)) continue;
        const rows = this.below(node, "structure");
        if (count + rows.length > most && node !== this.root) continue;
        node.open = "structure";
        below.set(node, rows);
        count += rows.length;
        next.push(...rows);
      }
      level = next;
    }
    this.rows = inOrder(this.rows, below);
  }
}

/** The rows in the order in which they stand. Iterative, because models nest deeply. */
function inOrder(top, below) {
  const found = [];
  const waiting = top.slice().reverse();
  while (waiting.length) {
    const node = waiting.pop();
    found.push(node);
    const rows = below.get(node) ?? [];
    for (let at = rows.length - 1; at >= 0; at -= 1) waiting.push(rows[at]);
  }
  return found;
}

/** The groups of the table as rows, each with those members that are shown. */
export function groupNodes(model, parameters) {
  const found = [];
  for (const [pattern, members] of model.data.groups) {
    const shown = members.filter((member) => parameters.has(member));
    if (!shown.length) continue;
    const node = new Node("parameter", shown, null, [], pattern);
    found.push(Object.assign(node, { given: pattern, whole: members.length }));
  }
  found.forEach((node, at) => Object.assign(node, { position: at + 1, siblings: found.length }));
  return found;
}

function pieceText(piece) {
  return piece.text ?? numbersText(piece.numbers);
}

/** `7`, `{0,2,4}`, `{0..29}` or `{0,{4..9}}`: a glob for some numbers. */
function numbersText(numbers) {
  const runs = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && number === last.at(-1) + 1 && last.length <= 10_000) last.push(number);
    else runs.push([number]);
  }
  const parts = runs.map((run) => (run.length > 2 ? `{${run[0]}..${run.at(-1)}}` : run.join(",")));
  return runs.length === 1 && runs[0].length > 2 ? parts[0] : `{${parts.join(",")}}`;
}

function patternText(pieces) {
  const special = pieces.some(({ text }) => text !== undefined && (SPECIAL.test(text) || text === ""));
  const plain = pieces.map(pieceText).join(".");
  if (!special && plain.length <= 1000) return plain;
  const parts = pieces.map(({ text, numbers }) => (numbers ? `(?:${numbers.join("|")})` : unprintable(escaped(text))));
  return `re:${parts.join("\\.")}`;
}

function unprintable(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\x{${char.codePointAt(0).toString(16)}}`);
}
