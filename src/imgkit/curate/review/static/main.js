// The page: modes along the top, filters at the side, one view in the middle, actions at the bottom.

import { ACTIONS, KEEP, REJECT, RELABEL } from "./listing.js";
import { AuditView } from "./audit.js";
import { announce, cap, fill, h, number, settings, toast } from "./dom.js";
import { confirmDialog, helpDialog, labelDialog, reasonDialog } from "./dialogs.js";
import { Facts, markWords, sentence } from "./panel.js";
import { GridView } from "./grid.js";
import { Keymap, isTyping } from "./keys.js";
import { MODES, NO_FILTER, isHurried, isShown, modeOf, openCounts, passes } from "./queue.js";
import { OverviewView } from "./overview.js";
import { PairView } from "./pair.js";
import { Pictures } from "./pictures.js";
import { takeToken } from "./server.js";
import { SingleView } from "./single.js";
import { Store } from "./store.js";
import { WeedView } from "./weed.js";

const RECENT = 10;
const NOT_REPEATED = /^(keep|reject|reject_\w+|similar|peek|search|accept|relabel|unsure|repeat|undo|redo|label\d|keep_.*|accept_group|help|mode|reject_as)$/;
const FAST_MS = 60;  // a held key: nobody reads what is known about the pictures that fly by
const REASON_KEYS = {
  reject_drawing: "bad.not_photo", reject_text: "bad.text", reject_object: "bad.object", reject_species: "bad.label", reject_quality: "bad.quality",
};
const SILENT_MS = 2000;  // a server that is away for less is not worth a word

export class App {
  constructor(store) {
    this.store = store;
    this.keymap = new Keymap(store.keys);
    this.pictures = new Pictures((row) => this.store.listing.view(row));
    this.facts = new Facts(store);
    this.filter = { ...NO_FILTER };
    this.lastChoice = null;
    this.trail = [];  // where to go back to
    store.hurried = new Set();
    this.views = {
      weed: new WeedView(this), single: new SingleView(this), pair: new PairView(this), grid: new GridView(this), audit: new AuditView(this), overview: new OverviewView(this),
    };
    this.#frame();
    this.#listen();
    this.theme();
  }

  get advances() { return settings.get("advance", "on") === "on"; }
  passes(row) { return passes(this.filter, this.store, row); }

  /** The reason that a key of its own rejects for, "" for other keys. */
  reasonOf(name) { return REASON_KEYS[name] ?? ""; }

  get isFiltered() { return Object.keys(NO_FILTER).some((key) => this.filter[key] !== NO_FILTER[key]); }

  start() {
    const wanted = new URLSearchParams(location.hash.slice(1)).get("mode") || settings.get(`${this.store.project}.mode`, "weed");
    this.open(modeOf(wanted).name === "similar" ? "grid" : modeOf(wanted).name);
    this.#sending();
    document.documentElement.dataset.ready = "1";
  }

  // the frame around the views

  #frame() {
    this.tabs = new Map(MODES.map((mode) => [mode.name, h("button.tab", {
      role: "tab", id: `tab-${mode.name}`, "aria-controls": "view", title: mode.about, hidden: !isShown(mode), onclick: () => this.open(mode.name),
    }, h("span", {}, mode.title), h("span.count"))]));
    this.status = h("span.status", { role: "status" });
    this.pace = h("span.pace");
    this.funnel = h("button.icon.funnel", { "aria-label": "Filter", "aria-expanded": "false", onclick: () => this.#toggleFilters() }, "≡");
    this.bar = h("div.progress", { role: "progressbar", "aria-label": "Decided", "aria-valuemin": "0" }, h("span.filled"));
    this.filters = h("aside.filters", { "aria-label": "Filter" });
    this.viewport = h("main.view", { id: "view", role: "tabpanel", tabindex: "-1" });
    this.recent = h("div.recent", { role: "group", "aria-label": "Last decisions" });
    this.actions = h("div.actions", { role: "toolbar", "aria-label": "Decide" });
    this.advice = h("button.advice", { hidden: true, onclick: () => this.open("grid") });
    this.banner = h("div.banner", { role: "alert", hidden: true });
    document.title = `${this.store.title} · imgkit review`;
    document.body.append(
      h("header.top", {}, h("span.brand", {}, h("span.logo", { "aria-hidden": "true" }), h("span.title", {}, this.store.title)),
        h("nav.tabs", { role: "tablist", "aria-label": "Modes" }, [...this.tabs.values()]),
        h("span.right", {}, this.pace, this.status, this.funnel,
          h("button.icon", { "aria-label": "Keys and settings", title: "Keys and settings (?)", onclick: () => this.act("help") }, "?"))),
      this.bar, this.banner,
      h("div.body", {}, this.filters, this.viewport),
      h("footer.bottom", {}, this.recent, this.advice, this.actions));
    document.body.addEventListener("mousedown", (event) => { if (event.target.closest("button:not(dialog *)")) event.preventDefault(); });
    this.#filters();
  }

  #listen() {
    document.addEventListener("keydown", (event) => this.#key(event));
    this.store.addEventListener("change", ({ detail }) => this.#changed(detail));
    this.store.addEventListener("outbox", () => { this.sendingTimer ??= setTimeout(() => { this.sendingTimer = null; this.#sending(); }, 400); });
    this.store.addEventListener("elsewhere", ({ detail }) => toast(`${number(detail.count)} ${detail.count === 1 ? "change" : "changes"} made in another window`));
    this.store.addEventListener("lost", () => toast("This was changed in another window first; the picture shows how it stands", { kind: "error", seconds: 5 }));
    this.store.addEventListener("reload", () => {
      this.facts.clear();
      this.pictures.clear();
      this.store.hurried.clear();
      this.views.weed.forget();
      this.trail = [];
      this.filter = { ...this.filter, words: "", found: null };  // all of these go by row number
      this.#filters();
      this.open(this.mode);
    });
    setInterval(() => { this.#sending(); this.#numbers(); }, 2000);
  }

  theme() {
    const wanted = settings.get("theme", "auto");
    if (wanted === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = wanted;
  }

  open(name, options = {}) {
    const mode = modeOf(name);
    if (options.aside) this.trail.push({ mode: this.mode, row: this.view.row ?? -1 }); else if (!options.back) this.trail = [];
    this.view?.leave();
    this.mode = mode.name;
    this.view = this.views[mode.view];
    document.body.dataset.mode = mode.name;
    document.body.dataset.view = mode.view;
    for (const [one, tab] of this.tabs) {
      tab.setAttribute("aria-selected", one === mode.name ? "true" : "false");
      tab.hidden = one !== mode.name && !isShown(modeOf(one));
    }
    this.tabs.get(mode.name).scrollIntoView({ block: "nearest", inline: "nearest" });
    this.viewport.setAttribute("aria-labelledby", `tab-${mode.name}`);
    this.viewport.replaceChildren(this.view.element);
    this.view.enter(mode.name, options);
    settings.set(`${this.store.project}.mode`, mode.name);
    history.replaceState(null, "", `#mode=${mode.name}`);
    this.#later();
  }

  /** Show this mode's actions; those with a key show it. */
  showActions(actions) {
    const shown = JSON.stringify(actions);
    if (shown === this.actionsShown) return;
    this.actionsShown = shown;
    fill(this.actions, actions.map(({ name, text, kind, off, wide, title, on }) =>
      h(`button.act.${kind}`, { class: wide ? "wide" : "", "data-act": name, disabled: Boolean(off), "aria-pressed": on === undefined ? null : String(on), title: title ?? null, onclick: (event) => this.act(name, event) },
        h("span", {}, text), this.keymap.cap(name) ? cap(this.keymap.cap(name)) : null)));
    this.actions.hidden = actions.length === 0;
  }

  nextModeButton(mode) {
    const order = ["weed", "suspects", "labels", "duplicates", "second", "audit", "overview"];
    const counts = openCounts(this.store);
    const from = order.indexOf(mode);
    const next = order.slice(from + 1).find((name) => !(name in counts) || counts[name] > 0) ?? "overview";
    return h("button.primary", { onclick: () => this.open(next) }, `Go on: ${modeOf(next).title}`);
  }

  // what a person does

  #key(event) {
    if (event.isComposing || isTyping(event)) return;
    const name = this.keymap.action(event, { comparing: this.view === this.views.pair });
    if (!name) return;
    const bare = event.key.length === 1 && event.key !== " " && event.key !== "?" && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (bare && settings.get("letters", "on") === "off") return;
    if (event.repeat && NOT_REPEATED.test(name)) { event.preventDefault(); return; }
    if (name === "peek") { this.#peek(event.key); event.preventDefault(); return; }
    if (this.act(name, event)) event.preventDefault();
  }

  act(name, event = null) {
    switch (name) {
      case "undo": return this.#undo();
      case "redo": return this.#redo();
      case "help": helpDialog(this.keymap, { theme: () => this.theme(), changed: () => this.view.refresh() }); return true;
      case "grid": this.open("grid", { row: this.view.row ?? -1 }); return true;
      case "mode": return this.#nextMode();
      case "similar": return this.#similar();
      case "search": this.#toggleFilters(true, "input"); return true;
      case "clear": return this.view.act(name, event) || this.back();
      case "filter": this.#toggleFilters(true); return true;
      case "information": document.body.classList.toggle("turned"); return true;
      default: return this.view.act(name, event);
    }
  }

  #nextMode() {
    const names = MODES.filter(isShown).map(({ name }) => name);
    this.open(names[(names.indexOf(this.mode) + 1) % names.length]);
    announce(modeOf(this.mode).title);
    return true;
  }

  /** Go back to where another mode was opened from. */
  back() {
    const before = this.trail.pop();
    if (!before) return false;
    this.open(before.mode, { row: before.row, back: true });
    return true;
  }

  async #similarRows(row) {
    try { return await this.store.similar(row); } catch (error) { toast(error.message, { kind: "error", seconds: 6 }); return []; }
  }

  /** What looks most like the picture, under any label, all of it chosen. */
  #similar() {
    const row = this.view.looked ?? this.view.row ?? -1;
    if (row < 0) return true;
    this.#similarRows(row).then((rows) => {
      if (rows.length > 1) this.open("similar", { rows, aside: true });
      else toast("Nothing is known that looks like it");
    });
    return true;
  }

  /** A picture in full size for as long as the key is held. */
  #peek(key) {
    const row = this.view.looked ?? this.view.row ?? -1;
    if (row < 0 || this.peeking) return;
    const image = h("img", { src: this.store.listing.view(row), alt: this.store.labelName(this.store.labelOf(row)) });
    this.peeking = h("div.peek", {}, image);
    document.body.append(this.peeking);
    const end = (event) => {
      if (event.type === "keyup" && event.key !== key) return;
      this.peeking?.remove();
      this.peeking = null;
      removeEventListener("keyup", end);
      removeEventListener("blur", end);
    };
    addEventListener("keyup", end);
    addEventListener("blur", end);
  }

  /** The one way for views to decide: remembers haste, the last choice, and says it aloud. */
  decide({ mode, row, changes, dwell }) {
    if (isHurried(dwell)) this.store.hurried.add(row); else for (const change of changes) for (const one of change.rows) this.store.hurried.delete(one);
    if (changes.length === 1) { const { action, reason = "", to = -1 } = changes[0]; this.lastChoice = { action, reason, to }; }
    this.store.perform({ kind: "decide", mode, row, changes: merged(changes), dwell });
    announce(`${markWords(this.store, row).text || ACTIONS[changes[0].action]}`);
  }

  mark(row, mode, dwell) {
    this.store.hurried.delete(row);
    this.store.perform({ kind: "unsure", mode, row, answer: "unsure", dwell });
    announce("unsure, second look later");
  }

  tooEarly() {
    this.view.stage?.element.animate?.([{ opacity: 0.6 }, { opacity: 1 }], 160);
    announce("wait for the picture");
  }

  #undo() {
    const entry = this.store.undo();
    if (!entry) { toast("Nothing to undo"); return true; }
    this.#showAgain(entry);
    announce("undone");
    return true;
  }

  #redo() {
    const entry = this.store.redo();
    if (!entry) { toast("Nothing to do again"); return true; }
    this.#showAgain(entry);
    announce("done again");
    return true;
  }

  #showAgain({ mode, row, count }) {
    if (row >= 0) this.store.hurried.delete(row);
    if (row < 0) { this.view.refresh(); return; }
    const other = mode && mode !== this.mode && modeOf(mode).view !== this.view.constructor.name;
    if (this.view.reveal(row)) return;
    if (other) this.open(mode, { row }); else this.view.refresh();
    if (count > 1) toast(`${number(count)} pictures`);
  }

  askLabel(current, then) {
    labelDialog(this.store.labels, current, {
      pick: then,
      add: async (name) => {
        try { then(await this.store.addLabel(name)); } catch (error) { toast(error.message, { kind: "error", seconds: 6 }); }
      },
    });
  }

  askReason(_, then) { reasonDialog(this.store.listing.choices, then); }
  confirm(question, remark, then) { confirmDialog(question, remark, then); }

  // what follows, after the frame with the next picture

  #changed({ fromServer }) {
    if (fromServer && this.view) this.view.refresh();
    this.#later();
  }

  #later() {
    this.laterTimer ??= setTimeout(() => { this.laterTimer = null; this.#recent(); this.#counts(); }, 25);
  }

  /** Run after the frame that is being made has been painted; while keys come fast, only once they stop. */
  afterPaint(work) {
    const now = performance.now(), fast = now - (this.lastPaint ?? 0) < FAST_MS;
    this.lastPaint = now;
    clearTimeout(this.paintTimer);
    if (fast) this.paintTimer = setTimeout(work, FAST_MS);
    else requestAnimationFrame(() => { clearTimeout(this.paintTimer); this.paintTimer = setTimeout(work); });
  }

  #numbers() {
    const { open, all } = this.view.progress();
    const done = all - open;
    this.bar.firstChild.style.width = all ? `${(100 * done) / all}%` : "0";
    this.bar.setAttribute("aria-valuemax", String(all));
    this.bar.setAttribute("aria-valuenow", String(done));
    this.bar.title = all ? `${number(done)} of ${number(all)} decided` : "";
    const pace = Math.round(this.store.pace()), left = this.view.timeLeft();
    fill(this.pace, all && modeOf(this.mode).view !== "overview" ? h("span.tally", {}, `${number(done)} / ${number(all)}`) : null,
      pace ? h("span", {}, `${pace}/min`) : null, pace && left && open ? h("span", {}, `${left} left`) : null);
    const advice = this.view.advice();
    this.advice.hidden = !advice;
    this.advice.textContent = advice;
  }

  #counts() {
    this.countTimer ??= setTimeout(() => {
      this.countTimer = null;
      this.#numbers();
      const counts = openCounts(this.store);
      for (const [name, tab] of this.tabs) {
        const count = counts[name] ?? 0;
        tab.lastChild.textContent = count ? number(count) : "";
      }
    }, 300);
  }

  /** The last decisions, newest last; what is there already stays. */
  #recent() {
    const entries = [];
    for (let n = this.store.done.length - 1; n >= 0 && entries.length < RECENT; n--) {
      const entry = this.store.done[n];
      if (entry.row >= 0 && entry.kind !== "answer") entries.unshift(entry);
    }
    const there = new Map([...this.recent.children].map((one) => [one.dataset.key, one]));
    for (const entry of entries) {
      const button = there.get(entry.key) ?? this.#past(entry);
      there.delete(entry.key);
      if (button !== this.recent.lastChild) this.recent.append(button);
      const { kind, text } = markWords(this.store, entry.row);
      if (button.dataset.kind === kind) continue;
      button.dataset.kind = kind;
      button.title = text;
      button.setAttribute("aria-label", `${text || "undecided"}: show it again`);
    }
    for (const gone of there.values()) gone.remove();
  }

  #past({ key, row, mode, count }) {
    const onclick = () => this.open(modeOf(mode).view === "single" ? mode : "suspects", { row });
    return h("button.past", { "data-key": key, onclick }, this.#small(row), count > 1 ? h("span.times", {}, number(count)) : null);
  }

  /** A tiny picture, drawn from the decoded large one where it is still at hand. */
  #small(row) {
    const entry = this.pictures.entries.get(row);
    if (entry?.state !== "ready") return h("img", { src: this.store.listing.thumb(row, 192), alt: "", loading: "lazy", decoding: "async" });
    const side = 72, canvas = h("canvas", { width: side, height: side });
    const { naturalWidth: width, naturalHeight: height } = entry.image, part = Math.min(width, height);
    canvas.getContext("2d").drawImage(entry.image, (width - part) / 2, (height - part) / 2, part, part, 0, 0, side, side);
    return canvas;
  }

  #sending() {
    const { waiting, parked, failingSince, trouble } = this.store.outbox;
    const away = failingSince && performance.now() - failingSince > SILENT_MS;
    this.status.dataset.kind = away ? "away" : waiting.length ? "sending" : "saved";
    this.status.textContent = away ? `${number(waiting.length)} unsent` : waiting.length ? "saving" : "saved";
    const kept = `${number(waiting.length)} ${waiting.length === 1 ? "decision is" : "decisions are"} kept in this browser`;
    const text = away && trouble ? `Not saved: ${trouble} ${kept}.`
      : away ? `The server has stopped. ${kept} and sent when it is back: ${this.store.again}`
      : parked.length ? `${number(parked.length)} ${parked.length === 1 ? "action was" : "actions were"} refused: ${parked.at(-1).why}` : "";
    if (this.banner.textContent !== text) this.banner.textContent = text;
    this.banner.hidden = !text;
  }

  closed() {
    document.body.replaceChildren(h("div.empty.closed", {}, h("div.big", { "aria-hidden": "true" }, "✓"), h("h2", {}, "The review is closed"),
      h("p", {}, "Every decision is saved. This tab can be closed; the terminal tells the next command.")));
  }

  // filters

  setFilter(filter) { this.filter = filter; this.#filters(); }

  #toggleFilters(focus = false, wanted = "button, select") {
    const open = wanted === "input" || !document.body.classList.contains("filtering");
    document.body.classList.toggle("filtering", open);
    this.funnel.setAttribute("aria-expanded", String(open));
    if (focus && open) this.filters.querySelector(wanted)?.focus();
  }

  /** Show only what the words name: in title, page, file name or label. */
  async #search(words) {
    const typed = words.trim();
    if (typed === this.filter.words) return;
    try {
      this.filter = { ...this.filter, words: typed, found: typed ? new Set(await this.store.search(typed)) : null };
      this.#choose("words", typed);
    } catch (error) { toast(error.message, { kind: "error", seconds: 6 }); }
  }

  #filters() {
    const { listing } = this.store;
    const byLabel = new Array(this.store.labels.length).fill(0), byReason = new Map(), byProvider = new Array(listing.providers.length).fill(0);
    for (let row = 0; row < listing.rows; row++) {
      byLabel[listing.label[row]]++;
      byProvider[listing.provider[row]]++;
      const reason = listing.reason(row);
      if (reason) byReason.set(reason, (byReason.get(reason) ?? 0) + 1);
    }
    const choice = (key, value, text, count, digit = "") => h("button.choice", {
      "aria-pressed": String(this.filter[key] === value), onclick: () => this.#choose(key, this.filter[key] === value ? NO_FILTER[key] : value),
    }, h("span", {}, text), digit ? cap(digit) : null, h("span.count", {}, count === null ? "" : number(count)));
    const part = (title, ...choices) => h("section", {}, h("h3", {}, title), choices);
    fill(this.filters,
      h("header", {}, h("h2", {}, "Filter"), this.isFiltered ? h("button.link", { onclick: () => this.#choose() }, "Clear") : null,
        h("button.icon.close", { "aria-label": "Close the filter", onclick: () => this.#toggleFilters() }, "✕")),
      h("input.search", {
        type: "search", placeholder: "Words in title, page, file", "aria-label": "Search by words", value: this.filter.words,
        onkeydown: (event) => { if (event.key === "Enter") this.#search(event.target.value); if (event.key === "Escape") { event.target.blur(); this.viewport.focus(); } },
        onchange: (event) => this.#search(event.target.value),
      }),
      part("Labels", this.store.labels.map(([, name], n) => choice("label", n, name, byLabel[n], n < 9 ? String(n + 1) : ""))),
      byReason.size ? part("Reasons", [...byReason].sort((a, b) => b[1] - a[1]).map(([reason, count]) => choice("reason", reason, sentence(listing.say(reason)), count))) : null,
      byProvider.length > 1 ? part("Sources", listing.providers.map((name, n) => choice("provider", n, name || "unknown", byProvider[n]))) : null,
      part("State", choice("state", "open", "Undecided", null), choice("state", "decided", "Decided", null)));
  }

  #choose(key = "", value = null) {
    this.filter = key ? { ...this.filter, [key]: value } : { ...NO_FILTER };
    const scroll = this.filters.scrollTop;
    this.#filters();
    this.filters.scrollTop = scroll;
    this.open(this.mode);
  }
}

/** Changes that say the same about several pictures as one change. */
function merged(changes) {
  const found = new Map();
  for (const { action, reason = "", to = -1, rows } of changes) {
    const key = `${action} ${reason} ${to}`;
    if (!found.has(key)) found.set(key, { action, reason, to, rows: [] });
    found.get(key).rows.push(...rows);
  }
  return [...found.values()];
}

takeToken();
try {
  const app = new App(await Store.open());
  globalThis.imgkit = app;  // for tests and the curious
  app.start();
} catch (error) {
  document.body.replaceChildren(h("div.empty.closed", {}, h("h2", {}, "This page cannot start"), h("p", {}, error.message)));
  throw error;
}

export { KEEP, REJECT, RELABEL };
