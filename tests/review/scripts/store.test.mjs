// What the page holds to be in force: its own keys at once, other windows' in time, and never an old answer over a new key.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Server, columnsOf, settle, stateOf } from "./page.mjs";
import { KEEP, NONE, REJECT, RELABEL, Store } from "./store.js";

let server;
const GROUP = [{ group: 0, rank: 0 }, { group: 0, rank: 1, verdict: "r", reason: "dup.near" }, { group: 0, rank: 2, verdict: "r", reason: "dup.near" }];
const decide = (store, row, action, more = {}) => store.perform({ kind: "decide", mode: "suspects", row, changes: [{ action, rows: [row], ...more }], dwell: 400 });
const written = (path, said) => [200, { fates: said.actions.map(({ key }) => ({ key, fate: "written" })), marks: [], revision: "1.1", listing: "one" }];
const news = (marks, actions = [], revision = "5.5") => [200, { marks, actions, labels: stateOf().labels, revision, listing: "one" }];

beforeEach(() => { server = new Server(); });

test("a key is shown at once and sent as it was pressed", async () => {
  const store = new Store(columnsOf([{}, {}]), stateOf());
  server.answers = [written];
  decide(store, 1, REJECT, { reason: "bad.offtopic" });
  assert.deepEqual([store.kept(0), store.kept(1), store.rejected(1), store.reasonOut(1)], [true, false, true, "bad.offtopic"]);
  await settle();

  const [[path, { actions }]] = server.sent;
  assert.equal(path, "/api/actions");
  assert.deepEqual(actions, [{
    key: `${store.outbox.session}.1`, kind: "decide", mode: "suspects", at: "0.00000000000000000001", dwell: 400, answer: "",
    do: [{ action: "reject", reason: "bad.offtopic", to: -1, items: ["0.00000000000000000001"] }],
  }]);
});

test("a poll changes nothing where the server has not answered my key", async () => {
  const store = new Store(columnsOf([{}, {}]), stateOf());
  let answer;
  server.answers = [() => new Promise((resolve) => { answer = resolve; }), () => new Promise(() => {})];
  const polled = store.poll();
  decide(store, 0, KEEP);
  await settle();
  answer(news([[0, "reject", "", -1, 0, 3], [1, "reject", "", -1, 0, 4]]));
  await polled;

  assert.deepEqual([store.marks.get(0).action, store.marks.get(1).action], [KEEP, REJECT]);
});

test("a poll that was asked before my key changes nothing after the key was answered either", async () => {
  const store = new Store(columnsOf([{}]), stateOf());
  let answer;
  server.answers = [() => new Promise((resolve) => { answer = resolve; }), written];
  const polled = store.poll();
  decide(store, 0, KEEP);
  await settle();
  assert.equal(store.pending.size, 0);
  answer(news([[0, "reject", "", -1, 0, 3]]));
  await polled;
  assert.equal(store.marks.get(0).action, KEEP);

  server.answers = [news([[0, "relabel", "", 1, 0, 9]], [], "9.9")];
  await store.poll();
  assert.deepEqual([store.marks.get(0).action, store.labelOf(0)], [RELABEL, 1]);
});

test("a poll waits while something is unsent, and asks from where it stands", async () => {
  const store = new Store(columnsOf([{}]), stateOf({ revision: "7.3" }));
  server.answers = [() => new Promise(() => {})];
  decide(store, 0, KEEP);
  await store.poll();
  assert.deepEqual(server.sent.map(([path]) => path), ["/api/actions"]);

  server = new Server();
  const other = new Store(columnsOf([{}]), stateOf({ revision: "7.3" }));
  server.answers = [news([])];
  await other.poll();
  assert.equal(server.sent.at(-1)[0], "/api/changes?since=7.3");
  assert.equal(other.revision, "5.5");
});

test("an undo brings the mark before back, and a redo the one after", async () => {
  const store = new Store(columnsOf([{}]), stateOf());
  server.answers = Array.from({ length: 4 }, () => written);
  decide(store, 0, KEEP);
  decide(store, 0, RELABEL, { to: 1 });
  store.undo();
  assert.equal(store.marks.get(0).action, KEEP);
  store.redo();
  assert.deepEqual([store.marks.get(0).action, store.marks.get(0).to], [RELABEL, 1]);
  await settle();

  const sent = server.sent.flatMap(([, { actions }]) => actions).map(({ kind, undoes = "" }) => [kind, undoes && undoes.split(".")[1]]);
  assert.deepEqual(sent, [["decide", ""], ["decide", ""], ["undo", "2"], ["undo", "3"]]);
});

test("what another window did first is said, and everything is read again", async () => {
  const store = new Store(columnsOf([{}]), stateOf());
  const said = [];
  for (const name of ["lost", "reload"]) store.addEventListener(name, ({ detail }) => said.push([name, detail]));
  server.answers = [
    (path, { actions }) => [200, { fates: [{ key: actions[0].key, fate: "stale" }], marks: [], revision: "1.1", listing: "one" }],
    [200, columnsOf([{}])], [200, stateOf({ marks: [[0, "relabel", "", 1, 0, 8]] })],
  ];
  decide(store, 0, KEEP);
  await settle();

  assert.deepEqual(said.map(([name]) => name), ["lost", "reload"]);
  assert.equal(said[0][1].count, 1);
  assert.equal(store.marks.get(0).action, RELABEL);
});

test("actions of another window are in the history once, and its undo takes them out", async () => {
  const store = new Store(columnsOf([{}]), stateOf());
  server.answers = [news([[0, "keep", "", -1, 0, 1]], [["other.1", "decide", "grid", 0, 1, "", ""]], "1.1"), news([[0, "", "", -1, 0, 0]], [["other.2", "undo", "grid", 0, 1, "other.1", ""]], "2.2")];
  await store.poll();
  assert.deepEqual(store.done.map(({ key }) => key), ["other.1"]);
  await store.poll();
  assert.deepEqual([store.done.length, store.undone.map(({ undoKey }) => undoKey), store.marks.get(0).action], [0, ["other.2"], NONE]);
});

test("a rejection for what is shown takes the copies along, and one undo brings all back", () => {
  const store = new Store(columnsOf([...GROUP, {}]), stateOf());
  server.answers = [written, written];
  decide(store, 0, REJECT, { reason: "bad.offtopic" });
  assert.deepEqual([0, 1, 2, 3].map((row) => store.kept(row)), [false, false, false, true]);
  assert.deepEqual([store.copiesThatFollow(0), store.rejected(2), store.reasonOut(2)], [2, true, "bad.offtopic"]);

  store.undo();
  assert.deepEqual([0, 1, 2, 3].map((row) => store.kept(row)), [true, false, false, true]);
  assert.equal(store.reasonOut(1), "dup.near");
});

test("that another file is better concerns that file, and the best that is left takes its place", () => {
  const store = new Store(columnsOf(GROUP), stateOf());
  decide(store, 0, REJECT, { reason: "dup.near" });

  assert.deepEqual([0, 1, 2].map((row) => store.kept(row)), [false, true, false]);
  assert.equal(store.copiesThatFollow(0), 0);
});

test("a key is later than every decision that the server knows", () => {
  const store = new Store(columnsOf(GROUP), stateOf({ marks: [[1, "reject", "bad.offtopic", -1, 0, 123456]] }));
  assert.deepEqual([0, 1, 2].map((row) => store.kept(row)), [false, false, false]);

  decide(store, 0, KEEP);
  assert.deepEqual([0, 1, 2].map((row) => store.kept(row)), [true, false, false]);
});

test("an unsure mark keeps what was decided", () => {
  const store = new Store(columnsOf([{}]), stateOf({ marks: [[0, "reject", "bad.label", -1, 0, 4]] }));
  store.perform({ kind: "unsure", mode: "grid", row: 0, answer: "unsure" });

  assert.deepEqual(store.marks.get(0), { action: REJECT, reason: "bad.label", to: -1, unsure: 1, order: 4 });
});

test("the answer to my first key says nothing about my second one on the same picture", async () => {
  const store = new Store(columnsOf([{}]), stateOf());
  let first;
  server.answers = [() => new Promise((resolve) => { first = resolve; }), () => new Promise(() => {})];
  decide(store, 0, KEEP);
  decide(store, 0, REJECT);
  await settle();
  const [[, { actions: [{ key }] }]] = server.sent;
  first([200, { fates: [{ key, fate: "written" }], marks: [[0, "keep", "", -1, 0, 1]], revision: "1.1", listing: "one" }]);
  await settle();

  assert.equal(store.marks.get(0).action, REJECT);
});
