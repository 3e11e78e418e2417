import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AccessToken } from "./auth";
import { Live } from "./live";

// The server's end of the socket, in the hands of the test.
class FakeSocket {
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  send(text: string) {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close() {
    this.drop(1000);
  }
  open() {
    this.onopen?.();
  }
  say(frame: unknown) {
    this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }
  event(seq: number, topic = "run:1") {
    this.say({ type: "event", topic, seq, event: { run: "runs/1", seq: String(seq), kind: "step.progress" } });
  }
  drop(code = 1006) {
    this.onclose?.({ code });
  }
}

function setup() {
  const sockets: FakeSocket[] = [];
  let issued = 0;
  const issue = (): Promise<AccessToken> =>
    Promise.resolve({ value: `token${++issued}`, expires: Date.now() + 300_000, organisation: "organisations/1" });
  const tokens = { token: vi.fn(issue), renew: vi.fn(issue) };
  const live = new Live({
    tokens,
    random: () => 1,
    connect: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
  });
  const socket = (index: number): FakeSocket => {
    const found = sockets[index];
    if (!found) throw new Error(`no socket ${index}`);
    return found;
  };
  return { live, sockets, socket, tokens };
}

const flush = () => vi.advanceTimersByTimeAsync(0);

describe("Live", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("authenticates first, then subscribes after the given position", async () => {
    const { live, socket } = setup();
    live.subscribe("run:1", {}, 7n);
    await flush();
    socket(0).open();
    expect(socket(0).sent).toEqual([
      { type: "auth", token: "token1" },
      { type: "subscribe", topic: "run:1", after: 7 },
    ]);
    expect(live.status).toBe("open");
  });

  it("delivers each event once, in order", async () => {
    const { live, socket } = setup();
    const seen: bigint[] = [];
    live.subscribe("run:1", { event: ({ seq }) => seen.push(seq) });
    await flush();
    socket(0).open();
    for (const seq of [1, 2, 2, 1, 3]) socket(0).event(seq);
    expect(seen).toEqual([1n, 2n, 3n]);
  });

  it("asks again after a gap and delivers what was missing", async () => {
    const { live, socket } = setup();
    const seen: bigint[] = [];
    live.subscribe("run:1", { event: ({ seq }) => seen.push(seq) });
    await flush();
    socket(0).open();
    socket(0).event(1);
    socket(0).event(4);
    expect(seen).toEqual([1n]);
    expect(socket(0).sent.slice(-2)).toEqual([
      { type: "unsubscribe", topic: "run:1" },
      { type: "subscribe", topic: "run:1", after: 1 },
    ]);
    for (const seq of [2, 3, 4]) socket(0).event(seq);
    expect(seen).toEqual([1n, 2n, 3n, 4n]);
  });

  it("reports a reset when the gap can't be closed", async () => {
    const { live, socket } = setup();
    const reset = vi.fn();
    const seen: bigint[] = [];
    live.subscribe("run:1", { reset, event: ({ seq }) => seen.push(seq) });
    await flush();
    socket(0).open();
    socket(0).event(5);
    socket(0).event(6);
    expect(reset).toHaveBeenCalledOnce();
    socket(0).event(7);
    expect(seen).toEqual([7n]);
  });

  it("comes back with growing pauses and resumes after the last event", async () => {
    const { live, socket, sockets } = setup();
    const hint = vi.fn();
    live.subscribe("run:1", {}, 0n);
    live.subscribe("org:1:runs", { hint });
    await flush();
    socket(0).open();
    socket(0).event(1);
    socket(0).event(2);
    socket(0).drop();
    expect(live.status).toBe("down");
    await vi.advanceTimersByTimeAsync(499);
    expect(sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    socket(1).drop();
    await vi.advanceTimersByTimeAsync(999);
    expect(sockets).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    socket(2).open();
    expect(socket(2).sent).toContainEqual({ type: "subscribe", topic: "run:1", after: 2 });
    expect(hint).toHaveBeenCalledOnce();
    expect(live.status).toBe("open");
  });

  it("continues from the snapshot of a reset", async () => {
    const { live, socket } = setup();
    const reset = vi.fn();
    const seen: bigint[] = [];
    live.subscribe("run:1", { reset, event: ({ seq }) => seen.push(seq) }, 900n);
    await flush();
    socket(0).open();
    socket(0).say({ type: "reset", topic: "run:1", seq: 12, snapshot: { run: "runs/1", seq: "12", state: "RUNNING" } });
    expect(reset.mock.calls[0]?.[0]).toMatchObject({ state: "RUNNING", seq: 12n });
    socket(0).event(13);
    expect(seen).toEqual([13n]);
  });

  it("authenticates again in band before the token ends", async () => {
    const { live, socket, sockets } = setup();
    live.subscribe("run:1", {});
    await flush();
    socket(0).open();
    await vi.advanceTimersByTimeAsync(256_000);
    expect(socket(0).sent.filter(({ type }) => type === "auth")).toEqual([
      { type: "auth", token: "token1" },
      { type: "auth", token: "token2" },
    ]);
    expect(sockets).toHaveLength(1);
  });

  it("fetches a fresh token when the server refused the old one", async () => {
    const { live, socket, tokens } = setup();
    live.subscribe("run:1", {});
    await flush();
    socket(0).open();
    socket(0).drop(3500);
    await vi.advanceTimersByTimeAsync(1000);
    expect(tokens.renew).toHaveBeenCalledOnce();
    socket(1).open();
    expect(socket(1).sent[0]).toEqual({ type: "auth", token: "token2" });
  });

  it("asks again for a topic that could not be served just now, and not for one that can't be had", async () => {
    const { live, socket } = setup();
    live.subscribe("run:1", {}, 4n);
    live.subscribe("run:2", {});
    await flush();
    socket(0).open();
    socket(0).say({ type: "error", topic: "run:1", code: "unavailable", message: "…" });
    socket(0).say({ type: "error", topic: "run:2", code: "not_found", message: "…" });
    const before = socket(0).sent.length;
    await vi.advanceTimersByTimeAsync(5000);
    expect(socket(0).sent.slice(before)).toEqual([{ type: "subscribe", topic: "run:1", after: 4 }]);
  });

  it("unsubscribes with the last listener and ignores frames it can't read", async () => {
    const { live, socket } = setup();
    const hint = vi.fn();
    const first = live.subscribe("org:1:runs", { hint });
    const second = live.subscribe("org:1:runs", { hint });
    await flush();
    socket(0).open();
    socket(0).say("not json");
    socket(0).say({ type: "later", topic: "org:1:runs" });
    socket(0).say({ type: "hint", topic: "org:1:runs" });
    expect(hint).toHaveBeenCalledTimes(2);
    first();
    expect(socket(0).sent.at(-1)).toMatchObject({ type: "subscribe" });
    second();
    expect(socket(0).sent.at(-1)).toEqual({ type: "unsubscribe", topic: "org:1:runs" });
  });
});
