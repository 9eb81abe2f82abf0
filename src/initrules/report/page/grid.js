// The tree grid: draws only the rows in view, moves with the keyboard, tells who is selected.

import { element, many, shown } from "./dom.js";
import { symbol } from "./pieces.js";

const HEIGHT = 28; // of a row, in CSS pixels; grid.css has the same
const AROUND = 12; // rows drawn above and below the view
const MOST_PRINTED = 2000;
export class Grid {
  /** `events`: `selected(node)`, `toggled(at, mode)`, `confirmed(node)`. */
  constructor(model, events) {
    this.model = model;
    this.events = events;
    this.rows = [];
    this.active = -1;
    this.drawn = new Map(); // rows that are drawn, by their place
    this.body = element("div", { class: "rows", role: "presentation" });
    this.scroller = element(
      "div",
      { class: "grid", role: "treegrid", tabindex: 0, "aria-label": "Modules and parameters", "aria-readonly": "true" },
      this.head(),
      this.body,
    );
    this.scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => this.click(event));
    new ResizeObserver(() => this.draw()).observe(this.scroller);
    window.addEventListener("beforeprint", () => this.drawAll());
    window.addEventListener("afterprint", () => this.draw());
  }

  get several() {
    return this.model.versions.length > 1;
  }

  head() {
    const names = this.several
      ? ["parameter", "shape", ...this.model.versions.map((version) => version.name)]
      : ["parameter", "shape", "starts as", "std", "by rule"];
    const cells = names.map((name, at) =>
      element("span", { role: "columnheader", class: `cell ${this.column(at)}`, title: shown(name) }, shown(name)),
    );
    return element("div", { class: "head", role: "row" }, cells);
  }

  column(at) {
    return this.several ? (["name", "shape"][at] ?? "version") : ["name", "shape", "value", "std", "rule"][at];
  }

  /** Show these rows; the active one stays if it is still there. */
  show(rows) {
    const before = this.rows[this.active];
    this.rows = rows;
    this.active = before ? rows.indexOf(before) : -1;
    this.drawn.clear();
    this.scroller.setAttribute("aria-rowcount", rows.length + 1);
    this.draw();
  }

  draw() {
    const { scrollTop, clientHeight } = this.scroller;
    const first = Math.max(0, Math.floor(scrollTop / HEIGHT) - AROUND);
    const last = Math.min(this.rows.length, Math.ceil((scrollTop + clientHeight) / HEIGHT) + AROUND);
    this.fill(first, last);
  }

  /** For paper: all rows, or as many as a printer should get. */
  drawAll() {
    this.fill(0, Math.min(this.rows.length, MOST_PRINTED));
    const rest = this.rows.length - MOST_PRINTED;
    if (rest > 0) this.body.append(element("p", { class: "rest" }, `and ${many(rest, "more row")}`));
  }

  fill(first, last) {
    const before = this.drawn;
    this.drawn = new Map();
    for (let at = first; at < last; at += 1) this.drawn.set(at, before.get(at) ?? this.row(at));
    this.body.style.height = `${this.rows.length * HEIGHT}px`;
    this.body.replaceChildren(...this.drawn.values());
    if (this.active >= first && this.active < last)
      this.scroller.setAttribute("aria-activedescendant", `row-${this.active}`);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  row(at) {
    const node = this.rows[at];
    const made = element(
      "div",
      {
        class: `row ${node.kind}`,
        role: "row",
        id: `row-${at}`,
        "data-at": at,
        "aria-level": node.level,
        "aria-posinset": node.position,
        "aria-setsize": node.siblings,
        "aria-rowindex": at + 2,
        "aria-selected": at === this.active ? "true" : "false",
        "aria-expanded": node.kind === "module" && this.events.opens(node) ? String(Boolean(node.open)) : undefined,
      },
      this.name(node),
      node.kind === "module" ? this.moduleCells(node) : this.parameterCells(node),
    );
    made.style.top = `${at * HEIGHT}px`;
    made.style.setProperty("--level", node.level - 1);
    return made;
  }

  name(node) {
    const isModule = node.kind === "module";
    const opens = isModule && this.events.opens(node);
    const parts = [
      element("span", { class: `twisty${node.open ? " open" : ""}`, "aria-hidden": "true" }, opens ? "›" : ""),
      !isModule && !this.several && symbol(this.model.side(node.members[0], 0).state),
      element("code", { class: "label", title: shown(node.pattern) }, shown(node.label)),
    ];
    if (isModule && node.parent)
      parts.push(element("span", { class: "type" }, shown(this.model.typeName(node.members[0]))));
    if (isModule && !node.parent) parts.push(element("span", { class: "type" }, "the model"));
    const count = isModule
      ? node.members.length
      : new Set(node.members.map((slot) => this.model.slotParameter[slot])).size;
    if (count > 1) parts.push(this.badge(node, count));
    if (!isModule && node.members[0] >= this.model.parameters) {
      parts.push(
        element(
          "span",
          {
            class: "tied",
            title: `the same tensor as ${shown(this.model.slotPath(this.model.slotParameter[node.members[0]]))}`,
          },
          "~ tied",
        ),
      );
    }
    return element("span", { role: "gridcell", class: "cell name" }, parts);
  }

  badge(node, count) {
    const text = node.whole && node.whole !== count ? `${count} of ${node.whole}` : `×${count.toLocaleString("en")}`;
    if (node.kind !== "module") return element("span", { class: "badge" }, text);
    const title = node.open === "members" ? "show their common structure (m)" : "show each of them (m)";
    return element(
      "button",
      { class: "badge", tabindex: -1, "data-mode": "members", title, "aria-pressed": String(node.open === "members") },
      text,
    );
  }

  moduleCells(node) {
    const held = node.open ? "" : this.events.held(node);
    return [element("span", { role: "gridcell", class: "cell held" }, held)];
  }

  parameterCells(node) {
    const slot = node.members[0];
    const style = this.model.styleOf(slot);
    const cell = (kind, ...children) => element("span", { role: "gridcell", class: `cell ${kind}` }, children);
    const shape = cell("shape", style.shape);
    if (this.several) return [shape, ...this.model.versions.map((version, at) => this.versionCell(slot, version, at))];
    const side = this.model.side(slot, 0);
    const decision = this.model.versions[0].decisions[side.decisions[0]];
    const losers = decision?.losers?.map((loser) => element("s", {}, shown(loser.rule))) ?? [];
    const who = decision && [shown(decision.rule), ...losers.map((loser) => loser.textContent)].join(", over ");
    return [
      shape,
      cell("value", element("code", { title: shown(side.value) }, shown(side.value))),
      cell("std", side.std ?? ""),
      element(
        "span",
        { role: "gridcell", class: "cell rule", title: who },
        decision && [shown(decision.rule), decision.lock && element("span", { class: "lock" }, "locked"), ...losers],
      ),
    ];
  }

  versionCell(slot, version, at) {
    const side = this.model.side(slot, at);
    const decision = version.decisions[side.decisions[0]];
    const differs = this.model.styleOf(slot).differs?.includes(at);
    return element(
      "span",
      {
        role: "gridcell",
        class: `cell version${differs ? " differs" : ""}`,
        title: shown(side.value) + (decision ? `, ${shown(decision.rule)}` : ""),
      },
      symbol(side.state),
      element("code", {}, shown(side.value)),
      differs && element("span", { class: "unseen" }, "differs"),
      decision && element("span", { class: "by" }, shown(decision.rule)),
    );
  }

  click(event) {
    const row = event.target.closest(".row");
    if (!row) return;
    const at = Number(row.dataset.at);
    const mode = event.target.closest("[data-mode]")?.dataset.mode;
    const opens = mode || event.target.closest(".twisty");
    this.select(at);
    if (opens && this.rows[at].kind === "module") this.events.toggled(at, mode ?? (this.rows[at].open || "structure"));
    this.scroller.focus({ preventScroll: true });
  }

  select(at) {
    this.drawn.delete(this.active);
    this.active = Math.max(-1, Math.min(at, this.rows.length - 1));
    this.drawn.delete(this.active);
    this.events.selected(this.rows[this.active] ?? null); // first, because the panel may leave less room
    this.reveal();
    this.draw();
  }

  /** Scroll as little as shows the active row below the head. */
  reveal() {
    if (this.active < 0) return;
    const top = this.active * HEIGHT;
    const room = this.scroller.clientHeight - HEIGHT - 4; // without the head
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + HEIGHT > this.scroller.scrollTop + room) this.scroller.scrollTop = top + HEIGHT - room;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / HEIGHT) - 2);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const node = this.rows[this.active];
    if (event.key in moves) this.select(Math.max(0, Math.min(this.rows.length - 1, this.active + moves[event.key])));
    else if (!node) return;
    else if (event.key === "ArrowRight") this.inward(node);
    else if (event.key === "ArrowLeft") this.outward(node);
    else if (event.key === "m" && node.kind === "module" && node.members.length > 1)
      this.events.toggled(this.active, "members");
    else if (event.key === "Enter" || event.key === " ") this.events.confirmed(node, this.active);
    else return;
    event.preventDefault();
  }

  inward(node) {
    if (node.kind !== "module" || !this.events.opens(node)) return;
    if (node.open) this.select(this.active + 1);
    else this.events.toggled(this.active, "structure");
  }

  outward(node) {
    if (node.open) this.events.toggled(this.active, node.open);
    else if (node.parent) this.select(this.rows.indexOf(node.parent));
  }
}
