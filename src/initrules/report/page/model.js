// The embedded data with the questions that the page asks of it. Modules, parameters and slots are numbers.
//
// A *slot* is one name of a parameter: the module that owns it and its local name. The first slots
// are the canonical names, one for each parameter in the same order; those of shared tensors follow.

export class Model {
  constructor(data) {
    this.data = data;
    this.versions = data.versions;
    const { parent, segment, type, same, types } = data.modules;
    this.parent = parent;
    this.types = types;
    this.type = type;
    this.size = parent.length;
    this.segment = (module) => data.texts[segment[module]];
    this.object = Int32Array.from(parent, (_, module) => same[module] ?? module);
    this.childList = childLists(parent);
    this.next = nextSiblings(this.childList, parent.length);
    this.readSlots(data.parameters);
    this.paths = new Array(parent.length);
    this.findingsOf = new Map();
    this.groupOf = new Map();
  }

  readSlots({ owner, local, style, also }) {
    this.parameters = owner.length;
    this.slots = owner.length + also.length;
    this.slotOwner = Int32Array.from([...owner, ...also.map(([, module]) => module)]);
    this.slotText = Int32Array.from([...local, ...also.map(([, , text]) => text)]);
    this.slotParameter = new Int32Array(this.slots);
    for (let slot = 0; slot < this.slots; slot += 1) {
      this.slotParameter[slot] = slot < this.parameters ? slot : also[slot - this.parameters][0];
    }
    this.style = style;
    this.slotsOf = Array.from({ length: this.size }, () => null);
    for (let slot = 0; slot < this.slots; slot += 1) {
      (this.slotsOf[this.slotOwner[slot]] ??= []).push(slot);
    }
    this.otherSlots = new Map();
    also.forEach(([parameter], at) => {
      this.otherSlots.set(parameter, [...(this.otherSlots.get(parameter) ?? []), this.parameters + at]);
    });
  }

  children(module) {
    return this.childList[module] ?? [];
  }

  local(slot) {
    return this.data.texts[this.slotText[slot]];
  }

  /** The dotted path of a module, `""` for the root. Iterative, because models nest deeply. */
  path(module) {
    const chain = [];
    let at = module;
    while (at > 0 && this.paths[at] === undefined) {
      chain.push(at);
      at = this.parent[at];
    }
    let found = at > 0 ? this.paths[at] : "";
    for (const one of chain.reverse()) {
      found = found ? `${found}.${this.segment(one)}` : this.segment(one);
      this.paths[one] = found;
    }
    return found;
  }

  slotPath(slot) {
    const owner = this.path(this.slotOwner[slot]);
    return owner ? `${owner}.${this.local(slot)}` : this.local(slot);
  }

  typeName(module) {
    return this.types[this.type[module]][0]?.[0] ?? "";
  }

  styleOf(slot) {
    return this.data.styles[this.style[this.slotParameter[slot]]];
  }

  side(slot, version) {
    return this.versions[version].sides[this.styleOf(slot).sides[version]];
  }

  /** Whether the plans say different things about a parameter. */
  differs(slot) {
    return this.styleOf(slot).differs !== undefined;
  }

  /** The findings about a parameter, the worst first; looked up once for each version. */
  findings(parameter, version) {
    if (!this.findingsOf.has(version)) {
      const found = new Map();
      for (const finding of this.versions[version].findings) {
        for (const at of finding.parameters ?? []) found.set(at, [...(found.get(at) ?? []), finding]);
      }
      this.findingsOf.set(version, found);
    }
    return this.findingsOf.get(version).get(parameter) ?? [];
  }

  /** How many parameters are decided like this one. */
  alike(parameter) {
    this.styleSizes ??= this.style.reduce((sizes, style) => sizes.set(style, (sizes.get(style) ?? 0) + 1), new Map());
    return this.styleSizes.get(this.style[parameter]);
  }

  /** The group of the table that a parameter stands in. */
  group(parameter) {
    if (!this.groupOf.size) {
      for (const group of this.data.groups) for (const member of group[1]) this.groupOf.set(member, group);
    }
    return this.groupOf.get(parameter);
  }
}

function childLists(parent) {
  const found = new Array(parent.length);
  parent.forEach((above, module) => {
    if (above >= 0) (found[above] ??= []).push(module);
  });
  return found;
}

function nextSiblings(childList, size) {
  const found = new Int32Array(size).fill(-1);
  for (const siblings of childList) {
    siblings?.forEach((module, at) => {
      found[module] = siblings[at + 1] ?? -1;
    });
  }
  return found;
}
