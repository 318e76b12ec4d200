// Many pictures at once: only what is on the screen exists, however long the list.

import { KEEP, REJECT, RELABEL } from "./listing.js";
import { announce, fill, h, number, toast } from "./dom.js";
import { markWords } from "./panel.js";
import { isOpen, rowsOf } from "./queue.js";

const GAP = 8;
const SMALLEST = { wide: 148, narrow: 104 };
const NARROW_PX = 640;
const SPARE_LINES = 2;
const FAST_PX_PER_MS = 6;  // faster than this nobody sees a picture: wait until the scrolling slows down
const ASK_FROM = 50;

export class GridView {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.rows = [];
    this.selected = new Set();
    this.cursor = 0;
    this.anchor = 0;
    this.cells = new Map();  // position to cell
    this.spare = [];
    this.order = h("select", { "aria-label": "Order", onchange: () => this.#reorder() },
      h("option", { value: "worst" }, "worst first"), h("option", { value: "label" }, "by label"), h("option", { value: "random" }, "mixed"));
    this.tools = h("div.tools");
    this.space = h("div.space");
    this.scroller = h("div.scroller", {
      role: "listbox", tabindex: "0", "aria-multiselectable": "true", "aria-label": "Pictures",
      onscroll: () => this.#scrolled(), onclick: (event) => this.#click(event), ondblclick: (event) => this.#open(event),
    }, this.space);
    this.done = h("div.empty", { hidden: true });
    this.element = h("div.grid", {}, this.tools, this.scroller, this.done);
    new ResizeObserver(() => this.#layout()).observe(this.scroller);
  }

  enter(mode, { row = -1, rows = null } = {}) {
    this.mode = mode;
    if (rows) this.similar = rows;
    this.#list();
    this.selected = new Set(mode === "similar" ? this.rows.filter((one) => !this.store.decided(one)) : []);
    this.order.hidden = mode !== "grid";
    this.cursor = this.anchor = Math.max(0, row >= 0 ? this.rows.indexOf(row) : this.rows.findIndex((one) => isOpen(mode, this.store, one)));
    this.#layout();
    this.#reveal(this.cursor, { middle: true });
    this.refresh();
  }

  leave() { this.#clearCells(); }

  get row() { return this.rows[this.cursor] ?? -1; }

  #list() {
    this.rows = this.mode === "similar" ? this.similar : rowsOf(this.mode, this.store, this.app.filter, this.mode === "grid" ? this.order.value : "");
    this.done.hidden = this.rows.length > 0;
    this.scroller.hidden = !this.rows.length;
    if (this.rows.length) return;
    fill(this.done, h("div.big", { "aria-hidden": "true" }, "∅"),
      h("h2", {}, this.app.isFiltered ? "No picture passes the filter" : this.mode === "trash" ? "Nothing is set aside" : "No pictures"),
      h("div.row", {}, this.app.nextModeButton(this.mode)));
  }

  #reorder() {
    this.#list();
    this.cursor = this.anchor = 0;
    this.selected.clear();
    this.#clearCells();
    this.#layout();
    this.scroller.scrollTop = 0;
    this.scroller.focus();
    this.refresh();
  }

  progress() {
    const open = this.rows.reduce((sum, row) => sum + isOpen(this.mode, this.store, row), 0);
    return { open, all: this.rows.length };
  }

  advice() { return ""; }
  timeLeft() { return ""; }

  // layout

  #layout() {
    const width = this.scroller.clientWidth;
    if (!width) return;
    const smallest = width < NARROW_PX ? SMALLEST.narrow : SMALLEST.wide;
    const columns = Math.max(1, Math.floor((width - GAP) / (smallest + GAP)));
    const side = Math.floor((width - GAP) / columns) - GAP;
    const top = this.scroller.scrollTop / (this.line || 1);
    const changed = columns !== this.columns || side !== this.side;
    this.columns = columns;
    this.side = side;
    this.line = side + GAP;
    this.space.style.height = `${Math.ceil(this.rows.length / columns) * this.line + GAP}px`;
    if (changed) {
      this.thumbSize = side * (window.devicePixelRatio || 1) > 210 ? 384 : 192;
      this.#clearCells();
      this.scroller.scrollTop = top * this.line;
    }
    this.#draw();
  }

  #clearCells() {
    for (const cell of this.cells.values()) this.#release(cell);
    this.cells.clear();
  }

  #release(cell) {
    cell.element.hidden = true;
    cell.image.removeAttribute("src");  // stops what is still on its way
    cell.position = -1;
    this.spare.push(cell);
  }

  #scrolled() {
    const now = performance.now(), top = this.scroller.scrollTop;
    const speed = Math.abs(top - (this.lastTop ?? top)) / Math.max(1, now - (this.lastScroll ?? now - 100));
    this.lastTop = top;
    this.lastScroll = now;
    this.fast = speed > FAST_PX_PER_MS;
    clearTimeout(this.calm);
    if (this.fast) this.calm = setTimeout(() => { this.fast = false; this.#draw(); }, 90);
    this.drawing ||= requestAnimationFrame(() => { this.drawing = 0; this.#draw(); });
  }

  #range() {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / this.line) - SPARE_LINES) * this.columns;
    const lines = Math.ceil(this.scroller.clientHeight / this.line) + 2 * SPARE_LINES + 1;
    return [first, Math.min(this.rows.length, first + lines * this.columns)];
  }

  #draw() {
    if (!this.line) return;
    const [first, end] = this.#range();
    for (const [position, cell] of this.cells) {
      if (position < first || position >= end) { this.cells.delete(position); this.#release(cell); }
    }
    for (let position = first; position < end; position++) {
      const cell = this.cells.get(position) ?? this.#place(position);
      if (!this.fast && !cell.image.hasAttribute("src")) cell.image.src = this.store.listing.thumb(cell.row, this.thumbSize);
    }
  }

  #place(position) {
    const cell = this.spare.pop() ?? this.#cell();
    cell.position = position;
    cell.row = this.rows[position];
    cell.element.hidden = false;
    cell.element.id = `cell-${position}`;
    cell.element.style.width = cell.element.style.height = `${this.side}px`;
    const x = GAP + (position % this.columns) * this.line, y = GAP + Math.floor(position / this.columns) * this.line;
    cell.element.style.transform = `translate(${x}px, ${y}px)`;
    cell.element.setAttribute("aria-posinset", String(position + 1));
    cell.element.setAttribute("aria-setsize", String(this.rows.length));
    this.cells.set(position, cell);
    this.#paint(cell);
    return cell;
  }

  #cell() {
    const image = h("img", { alt: "", decoding: "async", draggable: "false" });
    const label = h("span.name"), mark = h("span.mark");
    const element = h("div.cell", { role: "option" }, image, mark, label);
    image.addEventListener("load", () => element.classList.add("loaded"));
    this.space.append(element);
    return { element, image, label, mark, position: -1, row: -1 };
  }

  #paint(cell) {
    const { row, position, element } = cell;
    const { kind, text } = markWords(this.store, row);
    const reason = this.store.listing.isSuspect(row) ? this.store.listing.say(this.store.listing.reason(row)) : "";
    element.dataset.kind = kind || (reason ? "suspect" : this.store.kept(row) ? "" : "out");
    element.classList.toggle("selected", this.selected.has(row));
    element.classList.toggle("cursor", position === this.cursor);
    element.classList.toggle("loaded", cell.image.complete && cell.image.hasAttribute("src"));
    element.setAttribute("aria-selected", this.selected.has(row) ? "true" : "false");
    const name = this.store.labelName(this.store.labelOf(row));
    element.setAttribute("aria-label", [name, text || reason].filter(Boolean).join(", "));
    element.title = [name, text, reason].filter(Boolean).join("\n");
    cell.label.textContent = name;
    cell.mark.textContent = { keep: "✓", reject: "✕", relabel: "→", unsure: "?" }[kind] ?? (element.dataset.kind === "suspect" ? "!" : element.dataset.kind === "out" ? "–" : "");
  }

  // what a person does

  refresh() {
    for (const cell of this.cells.values()) this.#paint(cell);
    this.scroller.setAttribute("aria-activedescendant", `cell-${this.cursor}`);
    const count = this.selected.size;
    fill(this.tools,
      h("strong", {}, `${number(this.rows.length)} ${this.rows.length === 1 ? "picture" : "pictures"}`), this.order,
      count ? h("span.chosen", {}, `${number(count)} selected`) : null,
      count ? h("button.quiet", { onclick: () => this.act("clear") }, "Clear") : h("button.quiet", { onclick: () => this.act("select_all") }, "Select all"));
    this.app.showActions(this.#actions());
  }

  #actions() {
    const n = this.selected.size;
    const of = n > 1 ? ` ${number(n)}` : "";
    return [
      { name: "undo", text: "Undo", kind: "quiet", off: !this.store.done.length },
      { name: "reject", text: `Reject${of}`, kind: "reject", off: !this.rows.length },
      { name: "relabel", text: "Label…", kind: "relabel", off: !this.rows.length },
      { name: "keep", text: this.mode === "trash" ? `Take back${of}` : `Keep${of}`, kind: "keep", off: !this.rows.length },
      this.mode === "grid" ? { name: "keep_page", text: "Keep the screen", kind: "keep", wide: true, off: !this.rows.length } : null,
    ].filter(Boolean);
  }

  #positionOf(event) {
    const element = event.target.closest(".cell");
    return element ? Number(element.id.slice(5)) : -1;
  }

  #click(event) {
    const position = this.#positionOf(event);
    if (position < 0) return;
    if (event.shiftKey) this.#selectRange(this.anchor, position);
    else this.#toggle(position);
    this.cursor = position;
    if (!event.shiftKey) this.anchor = position;
    this.refresh();
  }

  #open(event) {
    const position = this.#positionOf(event);
    if (position >= 0) this.app.open("suspects", { row: this.rows[position], aside: true });
  }

  #toggle(position) {
    const row = this.rows[position];
    if (!this.selected.delete(row)) this.selected.add(row);
  }

  #selectRange(from, to) {
    for (let n = Math.min(from, to); n <= Math.max(from, to); n++) this.selected.add(this.rows[n]);
  }

  /** The selection in the order shown, or the picture under the cursor. */
  #targets() {
    if (this.selected.size) return this.rows.filter((row) => this.selected.has(row));
    return this.rows[this.cursor] === undefined ? [] : [this.rows[this.cursor]];
  }

  act(name, event = null) {
    const extend = Boolean(event?.shiftKey);
    switch (name) {
      case "next": return this.#step(event?.key === "ArrowDown" ? this.columns : 1, extend);
      case "previous": return this.#step(event?.key === "ArrowUp" ? -this.columns : -1, extend);
      case "page_down": return this.#step(this.columns * this.#linesShown(), extend);
      case "page_up": return this.#step(-this.columns * this.#linesShown(), extend);
      case "first": return this.#step(-this.rows.length, extend);
      case "last": return this.#step(this.rows.length, extend);
      case "select_all": this.selected = new Set(this.rows); this.refresh(); announce(`${this.rows.length} selected`); return true;
      case "clear": {
        if (this.mode === "similar" || !this.selected.size) return false;
        this.selected.clear();
        this.refresh();
        return true;
      }
      case "keep": return this.#decide(this.#targets(), { action: KEEP });
      case "reject": return this.#decide(this.#targets(), { action: REJECT, reason: this.#commonReason() });
      case "reject_as": this.app.askReason(this.scroller, (reason) => this.#decide(this.#targets(), { action: REJECT, reason })); return true;
      case "accept": return this.#accept();
      case "relabel": this.app.askLabel(-1, (to) => this.#decide(this.#targets(), { action: RELABEL, to })); return true;
      case "repeat": return this.app.lastChoice ? this.#decide(this.#targets(), this.app.lastChoice) : true;
      case "unsure": for (const row of this.#targets()) this.app.mark(row, this.mode, 0); this.#afterwards(); return true;
      case "keep_page": return this.#keepPage();
      case "zoom": case "single": this.app.open("suspects", { row: this.row, aside: true }); return true;
      case "compare": this.app.open("duplicates", { row: this.row, aside: true }); return true;
      default: {
        const reason = this.app.reasonOf(name);
        if (reason) return this.#decide(this.#targets(), { action: REJECT, reason });
        const digit = /^label([1-9])$/.exec(name);
        if (!digit || Number(digit[1]) > this.store.labels.length) return false;
        return this.#decide(this.#targets(), { action: RELABEL, to: Number(digit[1]) - 1 });
      }
    }
  }

  /** Each picture's own advice: the other label, else out for the reason that was found. */
  #accept() {
    const rows = this.#targets(), { listing } = this.store;
    const changes = rows.map((row) => {
      if (listing.suggested[row] >= 0 && listing.isSuspect(row)) return { action: RELABEL, to: listing.suggested[row], rows: [row] };
      if (listing.isSuspect(row)) return { action: REJECT, reason: listing.reason(row), rows: [row] };
      return { action: KEEP, rows: [row] };
    });
    return this.#confirmed(rows, changes);
  }

  #commonReason() {
    const { listing } = this.store;
    const reasons = new Set(this.#targets().map((row) => (listing.verdict(row) === "k" ? "" : listing.reason(row))));
    return reasons.size === 1 ? [...reasons][0] || "user.rejected" : "user.rejected";
  }

  #decide(rows, choice) {
    if (choice.action !== RELABEL) return this.#confirmed(rows, [{ ...choice, rows }]);
    const home = rows.filter((row) => this.store.listing.label[row] === choice.to);
    const away = rows.filter((row) => this.store.listing.label[row] !== choice.to);
    const changes = [{ action: KEEP, rows: home }, { ...choice, rows: away }].filter((change) => change.rows.length);
    return this.#confirmed(rows, changes);
  }

  #confirmed(rows, changes) {
    if (!rows.length) return true;
    const go = () => {
      this.app.decide({ mode: this.mode, row: rows[0], changes, dwell: 0 });
      this.#afterwards(rows.length);
    };
    if (rows.length <= ASK_FROM) go();
    else this.app.confirm(`Decide about ${number(rows.length)} pictures at once?`, "One undo takes all of it back.", go);
    return true;
  }

  #afterwards(count = 1) {
    const alone = !this.selected.size;
    this.selected.clear();
    if (alone && this.app.advances) this.#step(1, false);
    else this.refresh();
    if (count > 1) toast(`${number(count)} decided. ${this.app.keymap.cap("undo")} undoes it`);
  }

  /** The usual way through a set that is nearly clean: mark the few bad ones, keep the rest of the screen, go on. */
  #keepPage() {
    const [first, end] = this.#visible();
    const rows = this.rows.slice(first, end).filter((row) => !this.store.decided(row));
    if (rows.length) {
      this.app.decide({ mode: this.mode, row: rows[0], changes: [{ action: KEEP, rows }], dwell: 0 });
      toast(`${number(rows.length)} kept. ${this.app.keymap.cap("undo")} undoes it`);
    }
    this.selected.clear();
    this.cursor = this.anchor = Math.min(this.rows.length - 1, end);
    this.scroller.scrollTop = Math.floor(this.cursor / this.columns) * this.line;
    this.refresh();
    return true;
  }

  /** Positions of which at least the middle is on the screen. */
  #visible() {
    const top = this.scroller.scrollTop, half = this.line / 2;
    const first = Math.ceil((top - half) / this.line) * this.columns;
    const end = (Math.floor((top + this.scroller.clientHeight - half) / this.line) + 1) * this.columns;
    return [Math.max(0, first), Math.min(this.rows.length, end)];
  }

  #linesShown() { return Math.max(1, Math.floor(this.scroller.clientHeight / this.line)); }

  #step(steps, extend) {
    if (!this.rows.length) return true;
    const before = this.cursor;
    this.cursor = Math.min(this.rows.length - 1, Math.max(0, before + steps));
    if (extend) this.#selectRange(this.anchor, this.cursor);
    else this.anchor = this.cursor;
    this.#reveal(this.cursor, {});
    this.refresh();
    return true;
  }

  #reveal(position, { middle = false }) {
    if (!this.line || position < 0) return;
    const top = Math.floor(position / this.columns) * this.line, height = this.scroller.clientHeight;
    if (middle) this.scroller.scrollTop = top - height / 3;
    else if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + this.line + GAP > this.scroller.scrollTop + height) this.scroller.scrollTop = top + this.line + GAP - height;
    this.#draw();
  }

  reveal(row) {
    const position = this.rows.indexOf(row);
    if (position < 0) return false;
    this.cursor = this.anchor = position;
    this.#reveal(position, {});
    this.refresh();
    return true;
  }
}
