// What is in force, what can be undone, and the one way to change it.

import { ACTIONS, KEEP, Listing, Marks, NONE, REJECT, RELABEL } from "./listing.js";
import { Outbox } from "./outbox.js";
import { get, post, useWriteKey } from "./server.js";

const POLL_MS = 2000;
const PACE_WINDOW_MS = 60_000;

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
    useWriteKey(state.write_key);
    this.title = state.title;
    this.project = state.project;
    this.keys = state.keys;
    this.times = [];
    this.pending = new Map();  // row to the number of our actions that the server has not answered
    this.sentRows = new Map();  // key of an action on its way to its rows
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
    this.labels = state.labels;
    this.done = state.done.map(entryFrom);
    this.older = state.older;
    this.undone = state.undone.map(entryFrom);
    this.revision = state.revision;
    this.audit = state.audit;
    this.learnt = new Map();  // row to its score after what was decided about others
    for (const mark of state.marks) this.#setMark(mark);
  }

  #tell(what, detail = {}) { this.dispatchEvent(new CustomEvent(what, { detail })); }

  #setMark([row, action, reason, to, unsure]) {
    this.marks.set(row, { action: ACTIONS.indexOf(action), reason, to, unsure });
  }

  /** Take over what the server says, except where it has not heard our last word; returns the rows that differ. */
  #hear(marks) {
    const changed = [];
    for (const mark of marks) {
      const row = mark[0];
      if (this.pending.has(row)) continue;
      const before = JSON.stringify(this.marks.get(row));
      this.#setMark(mark);
      if (JSON.stringify(this.marks.get(row)) !== before) changed.push(row);
    }
    return changed;
  }

  // reading

  labelName(number) { return this.labels[number]?.[1] ?? ""; }
  labelSlug(number) { return this.labels[number]?.[0] ?? ""; }

  /** The number of the label a picture has now. */
  labelOf(row) { return this.marks.action[row] === RELABEL ? this.marks.to[row] : this.listing.label[row]; }

  decided(row) { return this.marks.action[row] !== NONE; }

  /** Whether the picture would be in the curated set if the review ended now. */
  kept(row) {
    const action = this.marks.action[row];
    return action === NONE ? this.listing.inSet(row) : action !== REJECT;
  }

  /** Why a picture is out: a person's reason first. */
  reasonOut(row) {
    if (this.marks.action[row] === REJECT) return this.marks.reasons[this.marks.reasonNumber[row]] || "user.rejected";
    return this.listing.reason(row);
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
        for (const one of some) this.marks.set(one, { action, reason, to: action === RELABEL ? to : -1 });
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
    for (const row of rows) this.pending.set(row, (this.pending.get(row) ?? 0) + 1);
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

  /** Ask what other windows have done since. */
  /** Ask what the decisions say about the suspects that wait; returns whether they say anything. */
  async learn() {
    await this.outbox.settled();
    try {
      const { rows, scores, listing } = await get("/api/scores");
      if (listing !== this.listing.revision || !rows.length) return false;
      this.learnt = new Map(rows.map((row, n) => [row, scores[n]]));
      return true;
    } catch { return false; }  // the order stays as it is
  }

  async poll() {
    if (this.polling || this.outbox.waiting.length) return;
    this.polling = true;
    try {
      const news = await get(`/api/changes?since=${this.revision}`);
      this.revision = news.revision;
      if (news.labels.length > this.labels.length) this.labels = news.labels;
      if (news.listing !== this.listing.revision) { this.polling = false; this.reload(); return; }
      this.#heard(news);
    } catch { /* the outbox says when the server is away */ }
    this.polling = false;
  }

  #heard({ marks, actions }) {
    const own = `${this.outbox.session}.`;
    const foreign = actions.filter(([key]) => !key.startsWith(own));
    for (const row of foreign) this.#foreign(entryFrom(row));
    const rows = this.#hear(marks);
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
      useWriteKey(state.write_key);
      this.pending.clear();
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

  async finish() { return post("/api/finish", {}); }
  async quit() { return post("/api/quit", {}); }
}

export { KEEP, NONE, REJECT, RELABEL };
