// Decisions on their way: none is lost, none is sent in another order, and one that is refused holds up no other.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Server, settle } from "./page.mjs";
import { Outbox } from "./outbox.js";

let server, replies, refusals;

beforeEach(() => {
  server = new Server();
  replies = [];
  refusals = 0;
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

const outbox = (project = "project") => new Outbox(project, (reply, sent) => replies.push([reply, sent.map(({ key }) => key)]), () => {}, () => refusals++);
const stored = () => localStorage.names.map((name) => name.split(".").slice(3).join("."));

for (const status of [401, 403]) {
  test(`a decision sent while the server answers ${status} is kept and sent again`, async () => {
    server.answers = [[status, "open the address"], [status, "open the address"], [200, { n: 1 }]];
    const box = outbox();
    box.add({ key: "s.1" });
    await settle();
    assert.deepEqual(box.waiting.map(({ key }) => key), ["s.1"]);
    assert.deepEqual(stored(), ["s.1"]);
    assert.equal(box.trouble, "open the address");
    assert.deepEqual(box.parked, []);

    mock.timers.tick(100);
    await settle();
    mock.timers.tick(250);
    await settle();

    assert.deepEqual(server.keys(), [["s.1"], ["s.1"], ["s.1"]]);
    assert.deepEqual(replies, [[{ n: 1 }, ["s.1"]]]);
    assert.deepEqual([box.waiting, stored(), refusals, box.trouble, box.failingSince, box.failures], [[], [], 0, "", 0, 0]);
  });
}

test("while the server is away the pauses are 100, 250, 500, 1000, 1500 and 1500 ms, and nothing is forgotten", async () => {
  server.answers = Array.from({ length: 6 }, () => [0, ""]).concat([[200, {}]]);
  const box = outbox();
  box.add({ key: "s.1" });
  await settle();
  for (const [n, pause] of [100, 250, 500, 1000, 1500, 1500].entries()) {
    assert.equal(server.sent.length, n + 1);
    mock.timers.tick(pause - 1);
    await settle();
    assert.equal(server.sent.length, n + 1, `not before ${pause} ms`);
    assert.deepEqual(stored(), ["s.1"]);
    mock.timers.tick(1);
    await settle();
  }

  assert.equal(server.sent.length, 7);
  assert.deepEqual([box.waiting, stored()], [[], []]);
});

test("an error of the server itself is tried again, too", async () => {
  server.answers = [[503, "disk full"], [200, {}]];
  const box = outbox();
  box.add({ key: "s.1" });
  await settle();
  assert.deepEqual([box.parked, stored()], [[], ["s.1"]]);

  mock.timers.tick(100);
  await settle();

  assert.deepEqual([box.waiting, box.parked], [[], []]);
});

test("one that will never be written is set apart, and those around it get through in their order", async () => {
  let first;
  server.answers = [() => new Promise((resolve) => { first = resolve; }), [400, "no"], [200, {}], [400, "no"], [400, "not understood"], [200, {}]];
  const box = outbox();
  for (const n of [1, 2, 3, 4]) box.add({ key: `s.${n}` });
  await settle();
  first([200, {}]);
  await settle();

  assert.deepEqual(server.keys(), [["s.1"], ["s.2", "s.3", "s.4"], ["s.2"], ["s.3", "s.4"], ["s.3"], ["s.4"]]);
  assert.deepEqual(box.parked, [{ action: { key: "s.3" }, why: "not understood" }]);
  assert.deepEqual([box.waiting, stored(), refusals], [[], [], 1]);
  assert.deepEqual(replies.map(([, keys]) => keys), [["s.1"], ["s.2"], ["s.4"]]);
});

test("a lone one that is refused is forgotten, named with its reason, and said", async () => {
  server.answers = [[422, JSON.stringify({ error: "no such label" })], [200, {}]];
  const box = outbox();
  box.add({ key: "s.1" });
  await settle();
  box.add({ key: "s.2" });
  await settle();

  assert.deepEqual(box.parked, [{ action: { key: "s.1" }, why: "no such label" }]);
  assert.deepEqual([refusals, stored(), server.keys()], [1, [], [["s.1"], ["s.2"]]]);
});

test("two hundred are sent at once at most", async () => {
  server.answers = [[200, {}], [200, {}]];
  const box = outbox();
  for (let n = 1; n <= 200; n++) box.waiting.push({ key: `s.${n}` });
  box.add({ key: "s.201" });
  await settle();

  assert.deepEqual(server.keys().map((keys) => keys.length), [200, 1]);
});

test("what an earlier page could not send goes first by session, then by number, and never to another folder", async () => {
  for (const [project, key] of [["project", "b.1"], ["project", "a.10"], ["other", "a.3"], ["project", "a.2"]]) {
    localStorage.setItem(`imgkit.out.${project}.${key}`, JSON.stringify({ key }));
  }
  localStorage.setItem("imgkit.out.project.a.4", "{damaged");
  server.answers = [[200, {}]];
  const box = outbox();

  assert.equal(box.adopt(), 3);
  await settle();

  assert.deepEqual(server.keys(), [["a.2", "a.10", "b.1"]]);
  assert.deepEqual(localStorage.names, ["imgkit.out.other.a.3"]);
});

test("keys are the session's, counted from 1", () => {
  const box = outbox();
  assert.match(box.session, /^[0-9a-z]{16}$/);
  assert.deepEqual([box.nextKey(), box.nextKey()], [`${box.session}.1`, `${box.session}.2`]);
});

test("a full storage of the browser loses nothing while the page is open", async () => {
  localStorage.setItem = () => { throw new Error("quota"); };
  server.answers = [[0, ""], [200, {}]];
  const box = outbox();
  box.add({ key: "s.1" });
  await settle();
  mock.timers.tick(100);
  await settle();

  assert.deepEqual(server.keys(), [["s.1"], ["s.1"]]);
});
