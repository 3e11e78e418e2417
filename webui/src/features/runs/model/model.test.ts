import { describe, expect, it } from "vitest";
import { Run_Command, Run_State, Step_Kind, Step_State } from "@/gen/services/runs/v1/runs_pb";
import { ago, event, run, step } from "@/test/factories";
import { filterOf, filterText } from "./filter";
import { applyEvent, changesCommands, failedStep, newer, stateWord } from "./fold";
import { speedOf } from "./rate";

describe("applyEvent", () => {
  const begun = () =>
    run({ seq: 3n, state: Run_State.STARTING, steps: [step("plan"), step("chunks", { kind: Step_Kind.EACH }), step("finish")] });
  const stepOf = (of: ReturnType<typeof run>, name: string) => of.steps.find((one) => one.name === name);

  it("ignores what the run already contains", () => {
    const before = begun();
    expect(applyEvent(before, event("step.started", { seq: 3n, step: "plan" }))).toBe(before);
  });

  it("follows a step through its attempts", () => {
    let now = applyEvent(begun(), event("step.started", { seq: 4n, step: "plan", attempt: 1 }));
    expect(now).toMatchObject({ state: Run_State.RUNNING, step: "plan", seq: 4n });
    expect(stepOf(now, "plan")).toMatchObject({ state: Step_State.RUNNING, attempt: 1 });
    now = applyEvent(now, event("step.started", { seq: 5n, step: "plan", attempt: 2, message: "the worker stopped" }));
    // The first attempt's late end does not end the second.
    now = applyEvent(now, event("step.failed", { seq: 6n, step: "plan", attempt: 1 }));
    expect(stepOf(now, "plan")).toMatchObject({ state: Step_State.RUNNING, attempt: 2, message: "the worker stopped" });
    now = applyEvent(now, event("step.succeeded", { seq: 7n, step: "plan", attempt: 2 }));
    expect(stepOf(now, "plan")).toMatchObject({ state: Step_State.SUCCEEDED });
    expect(stepOf(now, "plan")?.endTime).toBeDefined();
    // A late tick does not reopen it, a new start does.
    now = applyEvent(now, event("step.progress", { seq: 8n, step: "plan", attempt: 2 }));
    expect(stepOf(now, "plan")?.state).toBe(Step_State.SUCCEEDED);
    now = applyEvent(now, event("step.started", { seq: 9n, step: "plan", attempt: 3 }));
    expect(stepOf(now, "plan")).toMatchObject({ state: Step_State.RUNNING, endTime: undefined });
  });

  it("keeps a step of many calls open until the event without an item", () => {
    let now = applyEvent(begun(), event("step.started", { seq: 4n, step: "chunks", item: 1, attempt: 2 }));
    now = applyEvent(now, event("step.succeeded", { seq: 5n, step: "chunks", item: 1, attempt: 2 }));
    now = applyEvent(now, event("step.succeeded", { seq: 6n, step: "chunks", item: 2, attempt: 1 }));
    expect(stepOf(now, "chunks")).toMatchObject({ state: Step_State.RUNNING, attempt: 2 });
    now = applyEvent(now, event("step.succeeded", { seq: 7n, step: "chunks" }));
    expect(stepOf(now, "chunks")?.state).toBe(Step_State.SUCCEEDED);
  });

  it("takes state, progress and end from the event", () => {
    let now = applyEvent(
      begun(),
      event("step.progress", { seq: 4n, step: "plan", progress: { done: 5n, total: 9n, unit: "rows" } }),
    );
    expect(now.progress).toMatchObject({ done: 5n, total: 9n });
    now = applyEvent(now, event("run.failed", { seq: 5n, state: "FAILED", message: "no header", reason: "EMPTY_FILE" }));
    expect(now).toMatchObject({
      state: Run_State.FAILED,
      progress: { done: 5n },
      error: { message: "no header", reason: "EMPTY_FILE" },
    });
    expect(now.endTime).toBeDefined();
    expect(applyEvent(now, event("later.kind", { seq: 6n, state: "UNHEARD_OF" })).state).toBe(Run_State.FAILED);
  });
});

describe("a parked run", () => {
  const parked = run({
    seq: 4n,
    state: Run_State.WAITING,
    parked: true,
    step: "send",
    steps: [step("plan", { state: Step_State.SUCCEEDED }), step("send", { state: Step_State.FAILED, attempt: 5 })],
  });

  it("stays so until somebody has decided", () => {
    expect(stateWord(parked)).toBe("PARKED");
    expect(failedStep(parked)?.name).toBe("send");
    const noted = applyEvent(parked, event("step.skipped", { seq: 5n, step: "send", state: "WAITING" }));
    expect(noted.parked).toBe(true);
    expect(applyEvent(parked, event("run.unparked", { seq: 5n, state: "RUNNING" })).parked).toBe(false);
    expect(applyEvent(parked, event("run.failed", { seq: 5n, state: "FAILED" })).parked).toBe(false);
    expect(applyEvent(run({ seq: 4n }), event("run.parked", { seq: 5n, state: "WAITING" })).parked).toBe(true);
  });

  it("does the steps again that a reset has undone", () => {
    const back = applyEvent(parked, event("run.reset", { seq: 5n, state: "RUNNING", data: { steps: ["send"] } }));
    expect(back).toMatchObject({ state: Run_State.RUNNING, parked: false });
    expect(back.steps).toMatchObject([{ state: Step_State.SUCCEEDED }, { state: Step_State.PENDING, attempt: 0, message: "" }]);
  });
});

describe("newer", () => {
  it("keeps what events said, and takes from a late answer what they don't say", () => {
    const ahead = run({ seq: 9n, state: Run_State.PAUSED, commands: [Run_Command.PAUSE] });
    const late = { ...ahead, seq: 7n, state: Run_State.RUNNING, commands: [Run_Command.RESUME], queuePosition: 0n };
    expect(newer(ahead, late)).toMatchObject({ seq: 9n, state: Run_State.PAUSED, commands: [Run_Command.RESUME] });
    expect(newer(late, ahead)).toBe(ahead);
    expect(newer(undefined, late)).toBe(late);
  });

  it("asks again after events that change what may be done, not after ticks and parts", () => {
    expect(changesCommands(event("run.paused"))).toBe(true);
    expect(changesCommands(event("step.failed", { step: "plan" }))).toBe(true);
    expect(changesCommands(event("step.progress", { step: "plan" }))).toBe(false);
    expect(changesCommands(event("step.succeeded", { step: "import", item: 3 }))).toBe(false);
  });
});

describe("the filter of runs", () => {
  it("is written as the server reads it", () => {
    expect(filterText({ state: "RUNNING", process: "recordimport", search: "flights" })).toBe(
      'state="RUNNING" AND process="recordimport"',
    );
    expect(filterText({ state: "PARKED", schedule: "nightly" })).toBe('parked=true AND schedule="schedules/nightly"');
    expect(filterText({ key: 'a "quoted" \\ key' })).toBe('key="a \\"quoted\\" \\\\ key"');
    expect(filterText({})).toBe("");
  });

  it("counts days from midnight to midnight, the last one included", () => {
    const [from, until] = [new Date(2026, 10, 22), new Date(2026, 10, 24)].map((day) => day.toISOString());
    expect(filterText({ from: "2026-11-22", until: "2026-11-23" })).toBe(`startTime>="${from}" AND startTime<"${until}"`);
  });

  it("leaves out what an address can't mean", () => {
    expect(filterOf({ state: "RUNNING", process: 'x" OR 1', from: "yesterday", key: 4711, actor: "users/ada" })).toEqual({
      state: "RUNNING",
      key: "4711",
      actor: "users/ada",
    });
  });
});

describe("speedOf", () => {
  const at = (seconds: number, done: number) =>
    event("step.progress", { time: ago(seconds), progress: { done: BigInt(done), total: 1000n, unit: "rows" } });

  it("measures the last seconds, not the whole run", () => {
    expect(speedOf([at(100, 0), at(10, 100), at(5, 300), at(0, 600)])).toEqual({ rate: 50, left: 8000 });
  });

  it("says nothing while it can't know", () => {
    expect(speedOf([])).toBeUndefined();
    expect(speedOf([at(1, 10)])).toBeUndefined();
    expect(speedOf([at(2, 10), at(1, 10)])).toBeUndefined();
  });
});
