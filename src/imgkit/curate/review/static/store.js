// What is in force, what can be undone, and the one way to change it.

import { ACTIONS, KEEP, Listing, Marks, NONE, REJECT, RELABEL } from "./listing.js";
import { OUT, alone, isAboutContent, ofGroup } from "./outcomes.js";
import { Outbox } from "./outbox.js";
import { get, post, useKeys } from "./server.js";

const POLL_MS = 2000;
const PACE_WINDOW_MS = 60_000;
const NOT_ANSWERED = 2 ** 40;  // orders of marks that the server has not numbered: later than all that it has

/** An action in the history. `before` holds the marks it replaced, null for actions of earlier sessions. */
const entryFrom = ([key, kind, mode, row, count, undoes, answer]) =>
  ({ key, kind, mode, row, count, undoes, answer, before: null });

/** An entry of the undone as one of the done; those of earlier sessions carry the key of their undo. */
const redone = (entry) =>
  entry.undoKey ? entry : { ...entry, undoKey: entry.key, key: entry.undoes, undoes: "", kind: "decide", before: null };

export class Store extends EventTarget {
  static async open() {
    const [columns, state] = await Promise.all([get("/api/set"), get("/api/state")]);
    return new Store(columns, state);
  }

  constructor(columns, state) {
    super();
    useKeys(state);
    this.title = state.title;
    this.again = state.again;
    this.project = state.project;
    this.keys = state.keys;
    this.times = [];
    this.pending = new Map();  // row to the number of our actions that the server has not answered
    this.sentRows = new Map();  // key of an action on its way to its rows
    this.lastAction = new Map();  // row to the number of our last action about it: an older answer says nothing about it
    this.outbox = new Outbox(state.project, (...reply) => this.#answered(...reply), () => this.#tell("outbox"), () => this.reload());
    this.channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(`imgkit.${state.project}`) : null;
    this.channel?.addEventListener("message", () => this.poll());
    this.#load(columns, state);
    this.outbox.adopt();
    setInterval(() => { if (!document.hidden) this.poll(); }, POLL_MS);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.poll(); });
  }

  #load(columns, state) {
    this.listing = new Listing(columns, state.listing);
    this.marks = new Marks(this.listing.rows);
    this.groupOutcomes = new Map();  // group of copies to the outcomes of its members, until a mark in it changes
    this.marks.onSet = (row) => this.groupOutcomes.delete(this.listing.group[row]);
    this.decisions = NOT_ANSWERED;
    this.labels = state.labels;
    this.done = state.done.map(entryFrom);
    this.older = state.older;
    this.undone = state.undone.map(entryFrom);
    this.revision = state.revision;
    this.audit = state.audit;
    this.learnt = new Map();  // row to its probability of being wrong, after what was decided about others
    this.ranked = null;  // what the server last said about all that waits
    for (const mark of state.marks) this.#setMark(mark);
  }

  #tell(what, detail = {}) { this.dispatchEvent(new CustomEvent(what, { detail })); }

  #setMark([row, action, reason, to, unsure, order]) {
    this.marks.set(row, { action: ACTIONS.indexOf(action), reason, to, unsure, order });
  }

  /**
   * Take over what the server says, except where it had not heard our last word when it was asked, after `asked` of our
   * actions; returns the rows that differ.
   */
  #hear(marks, asked = Infinity) {
    const changed = [];
    for (const mark of marks) {
      const row = mark[0];
      if (this.pending.has(row) || (this.lastAction.get(row) ?? 0) > asked) continue;
      const before = JSON.stringify(this.marks.get(row));
      this.#setMark(mark);
      if (JSON.stringify(this.marks.get(row)) !== before) changed.push(row);
    }
    return changed;
  }

  // reading

  labelName(number) { return this.labels[number]?.[1] ?? ""; }
  labelSlug(number) { return this.labels[number]?.[0] ?? ""; }

  /** What becomes of a picture, by the decisions on it and on its copies. */
  outcome(row) {
    const group = this.listing.group[row];
    if (group < 0) return alone(this.listing, this.marks, row);
    let found = this.groupOutcomes.get(group);
    if (!found) {
      found = ofGroup(this.listing, this.marks, this.listing.members[group]);
      this.groupOutcomes.set(group, found);
    }
    return found.get(row);
  }

  /** The number of the label a picture has now. */
  labelOf(row) {
    if (this.listing.group[row] >= 0) return this.outcome(row).label;
    return this.marks.action[row] === RELABEL ? this.marks.to[row] : this.listing.label[row];
  }

  /** Whether a person decided about the picture, or about what it shows in another copy. */
  decided(row) { return this.marks.action[row] !== NONE || (this.listing.group[row] >= 0 && this.outcome(row).by === "person"); }

  /** Whether a suspect waits for a person. */
  waits(row) { return this.listing.group[row] < 0 ? this.listing.isSuspect(row) && !this.decided(row) : this.outcome(row).by === "suspect"; }

  /** Whether the picture would be in the curated set if the review ended now. */
  kept(row) {
    if (this.listing.group[row] >= 0) return this.outcome(row).placed !== OUT;
    const action = this.marks.action[row];
    return this.listing.isUsable(row) && (action === NONE ? this.listing.inSet(row) : action !== REJECT);
  }

  /** Whether a person rejected the picture, or what it shows in another copy. */
  rejected(row) {
    if (this.marks.action[row] === REJECT || this.listing.group[row] < 0) return this.marks.action[row] === REJECT;
    const { by, state } = this.outcome(row);
    return by === "person" && state === "reject";
  }

  /** Why a picture is out: a person's reason first. */
  reasonOut(row) { return this.outcome(row).reason; }

  /** How many other copies go the way of a picture, because the decision on it is the latest on what they show. */
  copiesThatFollow(row) {
    const group = this.listing.group[row];
    if (group < 0 || !isAboutContent(this.marks.get(row))) return 0;
    const { placed, label, state } = this.outcome(row);
    if (state === "keep") return 0;
    const goesAlong = (one) => one !== row && (placed === OUT ? this.outcome(one).of === row : this.outcome(one).label === label);
    return this.listing.members[group].filter(goesAlong).length;
  }

  /** Decisions a minute over the last minute. */
  pace() {
    const now = performance.now();
    while (this.times.length && now - this.times[0] > PACE_WINDOW_MS) this.times.shift();
    if (this.times.length < 3) return 0;
    return this.times.length / ((now - this.times[0]) / PACE_WINDOW_MS);
  }

  // changing

  /**
   * @param {object} action
   * @param {"decide"|"unsure"|"answer"} action.kind
   * @param {number} action.row  the row that was painted
   * @param {{action: number, reason?: string, to?: number, rows: number[]}[]} [action.changes]
   */
  perform({ kind, mode, row, changes = [], answer = "", audit = null, dwell = 0 }) {
    const key = this.outbox.nextKey();
    const blind = kind === "answer";  // the server says what an answer changes: it may be a trial
    const rows = kind === "unsure" ? [row] : changes.flatMap((change) => change.rows);
    const before = blind ? null : rows.map((one) => [one, this.marks.get(one)]);
    if (kind === "unsure") this.marks.set(row, { ...this.marks.get(row), unsure: 1 });
    if (!blind) {
      for (const { action, reason = "", to = -1, rows: some } of changes) {
        for (const one of some) this.marks.set(one, { action, reason, to: action === RELABEL ? to : -1, order: ++this.decisions });
      }
    }
    this.done.push({ key, kind, mode, row, count: rows.length, undoes: "", answer, before });
    this.undone.length = 0;
    this.times.push(performance.now());
    this.#post(rows, {
      key, kind, mode, at: this.listing.ref(row), dwell: Math.round(dwell), answer, ...(audit === null ? {} : { audit }),
      do: changes.map(({ action, reason = "", to = -1, rows: some }) =>
        ({ action: ACTIONS[action], reason, to: action === RELABEL ? to : -1, items: some.map((one) => this.listing.ref(one)) })),
    });
    this.#tell("change", { rows });
  }

  #post(rows, action) {
    for (const row of rows) {
      this.pending.set(row, (this.pending.get(row) ?? 0) + 1);
      this.lastAction.set(row, this.outbox.count);
    }
    this.sentRows.set(action.key, rows);
    this.outbox.add(action);
  }

  /** Take back the last action; returns its entry, null when there is nothing to take back. */
  undo() {
    const entry = this.done.pop();
    if (!entry) return null;
    const key = this.outbox.nextKey();
    const rows = entry.before ? entry.before.map(([row]) => row) : [];
    if (entry.before) {
      entry.after = rows.map((row) => [row, this.marks.get(row)]);
      for (const [row, mark] of entry.before) this.marks.set(row, mark);
    }
    this.undone.push({ ...entry, undoKey: key });
    this.#postUndo(rows, key, entry, entry.key);
    if (this.done.length < 50 && this.older) this.#loadOlder();
    return entry;
  }

  /** Do again what was undone last; returns its entry or null. */
  redo() {
    const entry = this.undone.pop();
    if (!entry) return null;
    const key = this.outbox.nextKey();
    const rows = entry.after ? entry.after.map(([row]) => row) : [];
    if (entry.after) for (const [row, mark] of entry.after) this.marks.set(row, mark);
    const original = redone(entry);
    this.done.push(original);
    this.#postUndo(rows, key, original, original.undoKey);
    return original;
  }

  #postUndo(rows, key, entry, undoes) {
    this.#post(rows, { key, kind: "undo", mode: entry.mode, at: entry.row >= 0 ? this.listing.ref(entry.row) : "", undoes });
    this.#tell("change", { rows });
  }

  async #loadOlder() {
    const older = this.older;
    this.older = 0;
    try {
      const found = await get(`/api/history?skip=${this.done.length}`);
      this.done.unshift(...found.done.map(entryFrom));
      this.older = found.older;
    } catch { this.older = older; }
  }

  // answers of the server, and what happened in other windows

  #answered(reply, sent) {
    for (const action of sent) {
      for (const row of this.sentRows.get(action.key) ?? []) {
        const left = (this.pending.get(row) ?? 1) - 1;
        if (left > 0) this.pending.set(row, left); else this.pending.delete(row);
      }
      this.sentRows.delete(action.key);
    }
    const sameRows = reply.listing === this.listing.revision;  // else the numbers are those of another listing
    const rows = sameRows ? this.#hear(reply.marks) : [];
    const fates = new Map(reply.fates.map(({ key, fate }) => [key, fate]));
    const lost = sent.filter(({ key }) => fates.get(key) === "stale" || fates.get(key) === "refused");
    if (lost.length) this.#tell("lost", { count: lost.length });
    const answers = sent.filter(({ kind }) => kind === "answer" || kind === "undo");
    this.channel?.postMessage("written");
    if (rows.length) this.#tell("change", { rows, fromServer: true });
    if (answers.length) this.#tell("answered", {});
    if (lost.length || !sameRows) this.reload();
  }

  /**
   * Ask for what waits, the likeliest wrong first, by what was decided so far; `first` limits how many.
   * @returns {Promise<{rows: number[], scores: number[], waiting: number, out: number, remaining: object}|null>}
   */
  async rank({ first = null } = {}) {
    await this.outbox.settled();
    try {
      const found = await get(first === null ? "/api/scores" : `/api/scores?first=${first}`);
      if (found.listing !== this.listing.revision) return null;
      this.ranked = found;
      return found;
    } catch { return null; }  // the order stays as it is
  }

  /** Ask how likely all that waits is wrong; returns whether the server says. */
  async learn() {
    const found = await this.rank();
    if (!found?.rows.length) return false;
    this.learnt = new Map(found.rows.map((row, n) => [row, found.scores[n]]));
    return true;
  }

  /** The rows that look most like one, itself first; none where the server does not say. */
  async similar(row) { return this.#rows(`/api/similar?of=${this.listing.ref(row)}`); }

  /** The rows whose title, page, file name or label holds every word. */
  async search(words) { return this.#rows(`/api/search?words=${encodeURIComponent(words)}`); }

  async #rows(path) {
    const { rows, listing } = await get(path);
    return listing === this.listing.revision ? rows : [];
  }

  /** Ask what other windows have done since. */
  async poll() {
    if (this.polling || this.outbox.waiting.length) return;
    this.polling = true;
    const asked = this.outbox.count;
    try {
      const news = await get(`/api/changes?since=${this.revision}`);
      this.revision = news.revision;
      if (news.labels.length > this.labels.length) this.labels = news.labels;
      if (news.listing !== this.listing.revision) { this.polling = false; this.reload(); return; }
      this.#heard(news, asked);
    } catch { /* the outbox says when the server is away */ }
    this.polling = false;
  }

  #heard({ marks, actions }, asked) {
    const own = `${this.outbox.session}.`;
    const foreign = actions.filter(([key]) => !key.startsWith(own));
    for (const row of foreign) this.#foreign(entryFrom(row));
    const rows = this.#hear(marks, asked);
    if (foreign.length) this.#tell("elsewhere", { count: foreign.length });
    if (rows.length) this.#tell("change", { rows, fromServer: true });
  }

  #foreign(entry) {
    if (entry.kind !== "undo") {
      if (this.done.some(({ key }) => key === entry.key)) return;
      this.done.push(entry);
      this.undone.length = 0;
      return;
    }
    const taken = this.done.findLastIndex(({ key }) => key === entry.undoes);
    if (taken >= 0) this.undone.push({ ...this.done.splice(taken, 1)[0], before: null, after: null, undoKey: entry.key });
    const again = this.undone.findLastIndex(({ undoKey, key }) => (undoKey ?? key) === entry.undoes);
    if (taken < 0 && again >= 0) this.done.push(redone(this.undone.splice(again, 1)[0]));
  }

  /** Read everything again: after a conflict, or when the pictures or verdicts themselves have changed. */
  async reload() {
    try {
      await this.outbox.settled();
      const [columns, state] = await Promise.all([get("/api/set"), get("/api/state")]);
      useKeys(state);
      this.pending.clear();
      this.lastAction.clear();
      this.#load(columns, state);
      this.#tell("reload");
    } catch { /* the next poll or answer tries again */ }
  }

  async addLabel(name) {
    const { number, label } = await post("/api/labels", { name });
    this.labels[number] = label;
    this.channel?.postMessage("written");
    return number;
  }

  async startAudit() {
    this.audit = await post("/api/audit", {});
    return this.audit;
  }

  async refreshAudit() {
    this.audit = await get("/api/audit");
    this.#tell("audit");
  }

  /** Write the set; `announced` is the number of pictures that the person was told. */
  async finish(announced) { return post("/api/finish", { announced }); }
  async quit() { return post("/api/quit", {}); }
}

export { KEEP, NONE, REJECT, RELABEL };
