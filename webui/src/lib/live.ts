import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type Event, EventSchema, type Snapshot, SnapshotSchema } from "@/gen/events/v1/event_pb";
import type { AccessToken } from "./auth";

// A new token is sent this long before the old one ends; the server closes sockets whose token ended.
const REAUTH_BEFORE = 45_000;
const BACKOFF_FIRST = 500;
const BACKOFF_MOST = 15_000;
// After the server could not serve a topic for a passing reason, it is asked again.
const ASK_AGAIN = 5_000;
const passing = new Set(["unavailable", "internal", "resource_exhausted", "deadline_exceeded"]);
// The server's close codes of which a fresh token is the cure.
const INVALID_TOKEN = new Set([3005, 3500]);

export type LiveStatus = "connecting" | "open" | "down";

// What a subscriber is told. Within one topic `event` comes in order of seq, each once, without gaps;
// `reset` means that continuity is lost: load again (the snapshot, if there is one, can be shown meanwhile).
export interface Listener {
  event?: (event: Event) => void;
  reset?: (snapshot: Snapshot | undefined) => void;
  hint?: () => void;
}

interface Subscription extends Listener {
  last: bigint;
}

interface Topic {
  subscriptions: Set<Subscription>;
  // Set while a gap is being refetched; a second gap meanwhile is answered by `reset`.
  recovering: boolean;
}

// The part of a browser's WebSocket that is needed here.
export type Socket = Pick<WebSocket, "send" | "close" | "onopen" | "onmessage" | "onclose">;

export interface LiveOptions {
  tokens: { token(): Promise<AccessToken>; renew(): Promise<AccessToken> };
  connect?: () => Socket;
  now?: () => number;
  random?: () => number;
}

// Live keeps one WebSocket to /live for the whole page. It opens with the first subscription, comes back by itself
// with growing, jittered pauses, and resumes each topic after the last event that its subscribers saw.
export class Live {
  readonly #options: Required<LiveOptions>;
  readonly #topics = new Map<string, Topic>();
  readonly #statusListeners = new Set<() => void>();
  #status: LiveStatus = "connecting";
  #socket: Socket | undefined;
  #opening = false;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #reauth: ReturnType<typeof setTimeout> | undefined;

  constructor(options: LiveOptions) {
    this.#options = { connect: connectLive, now: Date.now, random: Math.random, ...options };
  }

  get status(): LiveStatus {
    return this.#status;
  }

  onStatus(listener: () => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  // Follows "run:ID" after a position, or a hint topic ("org:ID:runs"), until the returned function is called.
  subscribe(name: string, listener: Listener, after = 0n): () => void {
    const subscription: Subscription = { ...listener, last: after };
    let topic = this.#topics.get(name);
    const first = !topic;
    if (!topic) {
      topic = { subscriptions: new Set(), recovering: false };
      this.#topics.set(name, topic);
    }
    const behind = [...topic.subscriptions].every((other) => other.last > after);
    topic.subscriptions.add(subscription);
    if (this.#socket && this.#status === "open") {
      if (first || behind) this.#sendSubscribe(name, topic);
    } else this.#open();
    return () => {
      topic.subscriptions.delete(subscription);
      if (topic.subscriptions.size > 0 || this.#topics.get(name) !== topic) return;
      this.#topics.delete(name);
      if (this.#status === "open") this.#send({ type: "unsubscribe", topic: name });
    };
  }

  // Starts over at once: the network is back, or the token now speaks for another organisation.
  restart(): void {
    clearTimeout(this.#retry);
    this.#failures = 0;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
    this.#setStatus("connecting");
    if (this.#topics.size > 0) this.#open();
  }

  #open(freshToken = false): void {
    if (this.#socket || this.#opening) return;
    clearTimeout(this.#retry);
    this.#opening = true;
    const { tokens } = this.#options;
    (freshToken ? tokens.renew() : tokens.token())
      .then(
        (token) => this.#dial(token),
        () => this.#lost(undefined),
      )
      .finally(() => (this.#opening = false));
  }

  #dial(token: AccessToken): void {
    const socket = this.#options.connect();
    this.#socket = socket;
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      this.#authenticate(token);
      this.#setStatus("open");
      for (const [name, topic] of this.#topics) {
        topic.recovering = false;
        this.#sendSubscribe(name, topic);
        // Hints are not kept for those who were away, so look again after every reconnect.
        if (this.#failures > 0) for (const { hint } of topic.subscriptions) hint?.();
      }
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket && typeof data === "string") this.#receive(data);
    };
    socket.onclose = ({ code }) => {
      if (socket === this.#socket) this.#lost(code);
    };
  }

  #lost(code: number | undefined): void {
    this.#socket = undefined;
    clearTimeout(this.#reauth);
    this.#setStatus("down");
    const pause = Math.min(BACKOFF_FIRST * 2 ** this.#failures, BACKOFF_MOST);
    this.#failures += 1;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(
      () => this.#open(code !== undefined && INVALID_TOKEN.has(code)),
      pause * (0.5 + this.#options.random() / 2),
    );
  }

  #authenticate(token: AccessToken): void {
    this.#send({ type: "auth", token: token.value });
    clearTimeout(this.#reauth);
    const wait = Math.max(token.expires - this.#options.now() - REAUTH_BEFORE, 1000);
    this.#reauth = setTimeout(() => {
      const socket = this.#socket;
      this.#options.tokens.token().then(
        (fresh) => {
          if (socket && socket === this.#socket) this.#authenticate(fresh);
        },
        () => undefined, // The server will close the socket, and reconnecting asks again.
      );
    }, wait);
  }

  #receive(text: string): void {
    let frame: Record<string, JsonValue>;
    try {
      frame = JSON.parse(text) as Record<string, JsonValue>;
    } catch {
      return; // A frame of a later version of the protocol; what it announces will be polled.
    }
    const name = typeof frame.topic === "string" ? frame.topic : "";
    const topic = this.#topics.get(name);
    this.#failures = 0;
    if (!topic) return;
    switch (frame.type) {
      case "event":
        return this.#deliver(name, topic, fromJson(EventSchema, frame.event ?? {}, { ignoreUnknownFields: true }));
      case "reset":
        return this.#reset(topic, frame);
      case "hint":
        for (const { hint } of topic.subscriptions) hint?.();
        return;
      case "error":
        return this.#refused(name, topic, frame.code);
    }
  }

  // What is gone for good (another organisation's, no permission) the topic's own queries will say.
  #refused(name: string, topic: Topic, code: JsonValue | undefined): void {
    if (typeof code !== "string" || !passing.has(code)) return;
    setTimeout(() => {
      if (this.#status === "open" && this.#topics.get(name) === topic) this.#sendSubscribe(name, topic);
    }, ASK_AGAIN);
  }

  #deliver(name: string, topic: Topic, event: Event): void {
    const gap = [...topic.subscriptions].some(({ last }) => event.seq > last + 1n);
    for (const subscription of topic.subscriptions) {
      if (event.seq !== subscription.last + 1n) continue; // Seen before, or behind a gap.
      subscription.last = event.seq;
      topic.recovering = false;
      subscription.event?.(event);
    }
    if (!gap) return;
    if (topic.recovering) {
      // Asked for the missing ones and still did not get them: give up continuity, keep going from here.
      topic.recovering = false;
      for (const subscription of topic.subscriptions) {
        if (subscription.last >= event.seq) continue;
        subscription.last = event.seq;
        subscription.reset?.(undefined);
      }
      return;
    }
    topic.recovering = true;
    this.#send({ type: "unsubscribe", topic: name });
    this.#sendSubscribe(name, topic);
  }

  #reset(topic: Topic, frame: Record<string, JsonValue>): void {
    const snapshot = frame.snapshot ? fromJson(SnapshotSchema, frame.snapshot, { ignoreUnknownFields: true }) : undefined;
    const seq = BigInt((frame.seq as string | number | undefined) ?? snapshot?.seq ?? 0);
    topic.recovering = false;
    for (const subscription of topic.subscriptions) {
      subscription.last = seq;
      subscription.reset?.(snapshot);
    }
  }

  #sendSubscribe(name: string, topic: Topic): void {
    const positions = [...topic.subscriptions].map(({ last }) => last);
    const after = positions.reduce((least, position) => (position < least ? position : least));
    this.#send({ type: "subscribe", topic: name, after: Number(after) });
  }

  #send(frame: Record<string, unknown>): void {
    this.#socket?.send(JSON.stringify(frame));
  }

  #setStatus(status: LiveStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    for (const listener of this.#statusListeners) listener();
  }
}

function connectLive(): Socket {
  return new WebSocket(`${location.origin.replace(/^http/, "ws")}/live`);
}
