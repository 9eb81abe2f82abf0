// Puts the page together: the data becomes a tree, the filter chooses, the panel explains.

import { element, many, shown } from "./dom.js";
import { filter } from "./filter.js";
import { Grid } from "./grid.js";
import { Model } from "./model.js";
import { overview } from "./overview.js";
import { details } from "./panel.js";
import { SyntaxProblem } from "./pattern.js";
import { Tree, groupNodes } from "./tree.js";

const OPEN_AT_FIRST = 60;
const OPEN_FOUND = 400;
const PAUSE = 120; // milliseconds between the last key and the filter, on large models

class Page {
  constructor(model) {
    this.model = model;
    this.tree = new Tree(model);
    this.tree.openSome(OPEN_AT_FIRST);
    this.view = "tree";
    this.waiting = null;
    this.box = document.getElementById("filter");
    this.status = document.getElementById("status");
    this.panel = document.getElementById("panel");
    this.content = document.getElementById("panel-content");
    this.grid = new Grid(model, {
      selected: (node) => this.selected(node),
      toggled: (at, mode) => this.toggled(at, mode),
      confirmed: (node, at) => this.confirmed(node, at),
      opens: (node) => this.tree.opens(node),
      held: (node) => this.held(node),
    });
    document.getElementById("grid").replaceWith(this.grid.scroller);
    this.listen();
    this.refresh();
    this.selected(null);
  }

  listen() {
    this.box.addEventListener("input", () => {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.filtered(), this.model.size > 5000 ? PAUSE : 0);
    });
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") {
        event.preventDefault();
        this.filtered();
        this.grid.scroller.focus();
        this.grid.select(Math.max(0, this.firstFound()));
      }
    });
    document.addEventListener("keydown", (event) => this.key(event));
    for (const button of document.querySelectorAll("[data-view]")) {
      button.addEventListener("click", () => this.show(button.dataset.view));
    }
    this.differences = document.getElementById("differences");
    this.differences.closest("label").hidden = this.model.versions.length < 2;
    this.differences.addEventListener("change", () => this.filtered());
    document.getElementById("close").addEventListener("click", () => this.deselect());
    document.getElementById("theme").addEventListener("click", () => turn());
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target === this.box;
    if (event.key === "/" && !typing) {
      event.preventDefault();
      this.box.focus();
      this.box.select();
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (typing && this.box.value) this.filterBy("");
      else if (typing) this.grid.scroller.focus();
      else if (this.panel.contains(event.target)) this.grid.scroller.focus();
      else if (this.grid.active >= 0) this.deselect();
      else if (this.box.value) this.filterBy("");
    }
  }

  /** Set the filter box and use it. */
  filterBy(text) {
    this.box.value = text;
    this.filtered();
  }

  filtered() {
    clearTimeout(this.waiting);
    this.waiting = null;
    const differs = this.differences.checked ? (slot) => this.model.differs(slot) : null;
    let found = null;
    this.note = "";
    this.box.setCustomValidity("");
    try {
      found = filter(this.model, this.box.value);
      this.note = found?.note ?? "";
    } catch (problem) {
      if (!(problem instanceof SyntaxProblem)) throw problem;
      this.box.setCustomValidity(problem.message);
      this.tell(problem.message, true);
      return;
    }
    this.tree.show(found, differs);
    this.tree.openSome(found || differs ? OPEN_FOUND : OPEN_AT_FIRST);
    this.refresh();
    this.grid.scroller.scrollTop = 0;
    if (this.grid.active < 0) this.selected(null);
  }

  /** The first row that the filter itself found, not one on the way to it. */
  firstFound() {
    return this.grid.rows.findIndex((node) => node.kind === "parameter" || this.tree.met?.[node.members[0]]);
  }

  refresh() {
    const rows = this.view === "tree" ? this.tree.rows : groupNodes(this.model, this.tree.parameters);
    this.grid.show(rows);
    const met = this.tree.met?.reduce((sum, is) => sum + is, 0) ?? 0;
    const found = many(this.tree.parameters.size, "parameter");
    const all = this.tree.parameters.size === this.model.parameters;
    this.tell(
      [
        all
          ? found
          : `${this.tree.parameters.size.toLocaleString("en")} of ${many(this.model.parameters, "parameter")}`,
        met ? many(met, "module") : "",
        this.view === "groups" ? many(rows.length, "group") : "",
        this.note,
      ]
        .filter(Boolean)
        .join(", "),
      false,
    );
  }

  tell(text, wrong) {
    this.status.textContent = shown(text);
    this.status.classList.toggle("wrong", wrong);
  }

  show(view) {
    this.view = view;
    document.body.classList.toggle("groups", view === "groups");
    for (const button of document.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
    }
    this.grid.active = -1;
    this.refresh();
    this.selected(null);
    this.grid.scroller.scrollTop = 0;
  }

  selected(node) {
    const filterBy = (text) => {
      this.filterBy(text);
      this.grid.scroller.focus();
    };
    document.body.classList.toggle("selecting", Boolean(node));
    this.content.replaceChildren(...(node ? details(this.model, node, filterBy) : overview(this.model, filterBy)));
    this.panel.scrollTop = 0;
  }

  deselect() {
    this.grid.select(-1);
    this.grid.scroller.focus({ preventScroll: true });
  }

  toggled(at, mode) {
    this.tree.toggle(at, mode);
    this.grid.show(this.tree.rows);
  }

  confirmed(node, at) {
    if (node.kind === "module" && this.tree.opens(node)) this.toggled(at, node.open || "structure");
    else this.panel.focus();
  }

  /** What a closed row holds. */
  held(node) {
    const seen = new Set();
    const waiting = [...node.members];
    while (waiting.length) {
      const module = waiting.pop();
      for (const slot of this.tree.shownSlots(module)) seen.add(this.model.slotParameter[slot]);
      waiting.push(...this.tree.shownChildren(module));
    }
    return seen.size ? many(seen.size, "parameter") : "";
  }
}

const THEMES = ["", "dark", "light"];

/** From the system's colours to dark, to light, and back. */
function turn() {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "") + 1) % THEMES.length];
  root.dataset.theme = next;
  document.getElementById("theme").setAttribute("aria-label", `Colours: ${next || "as the system"}`);
  document.getElementById("theme").textContent = { "": "◐", dark: "●", light: "○" }[next];
}

performance.mark("initrules-begin");
const model = new Model(JSON.parse(document.getElementById("data").textContent));
document.body.classList.toggle("several", model.versions.length > 1);
document.body.style.setProperty("--versions", model.versions.length);
const page = new Page(model);

/** For scripts and tests: which module paths and parameter names a filter finds, and each row's pattern. */
window.initrules = {
  /** Whether the filter box was typed into and not yet used. */
  waits: () => page.waiting !== null,
  find(text) {
    const found = filter(model, text);
    if (!found) return null;
    const chosen = (flags, name) => [...flags.keys()].filter((at) => flags[at]).map(name);
    return {
      note: found.note ?? "",
      modules: chosen(found.modules, (module) => model.path(module)),
      parameters: chosen(found.slots, (slot) => model.slotPath(slot)),
    };
  },
  rows() {
    return page.grid.rows.map(({ kind, level, label, pattern, members }) => {
      const name = kind === "module" ? (one) => model.path(one) : (one) => model.slotPath(one);
      return { kind, level, label, pattern, members: members.map(name) };
    });
  },
};
document.documentElement.dataset.ready = "true";
performance.mark("initrules-ready");
