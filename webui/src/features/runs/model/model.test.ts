import { describe, expect, it } from "vitest";
import { Run_State, Step_Kind, Step_State } from "@/gen/services/runs/v1/runs_pb";
import { ago, event, run, step } from "@/test/factories";
import { actionsFor } from "./actions";
import { applyEvent } from "./fold";
import { graphOf, NODE } from "./graph";
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

describe("graphOf", () => {
  it("chains steps that name none before them", () => {
    const { nodes, edges } = graphOf([
      step("a", { state: Step_State.SUCCEEDED }),
      step("b", { state: Step_State.RUNNING }),
      step("c"),
    ]);
    expect(edges.map(({ id, passed }) => [id, passed])).toEqual([
      ["a>b", true],
      ["b>c", false],
    ]);
    expect(nodes.map(({ y }) => y)).toEqual([0, 0, 0]);
    expect(nodes.every(({ x }, index) => index === 0 || x >= (nodes[index - 1]?.x ?? 0) + NODE.width)).toBe(true);
  });

  it("draws branches beside each other and joins them again", () => {
    const { nodes, edges, height } = graphOf([
      step("a"),
      step("left", { after: ["a"] }),
      step("right", { after: ["a"] }),
      step("end", { after: ["left", "right", "gone"] }),
    ]);
    expect(edges.map(({ id }) => id)).toEqual(["a>left", "a>right", "left>end", "right>end"]);
    const [, left, right] = nodes;
    expect(left?.x).toBe(right?.x);
    expect(left?.y).not.toBe(right?.y);
    expect(height).toBeGreaterThanOrEqual(2 * NODE.height);
  });

  it("draws nothing for a run without steps", () => {
    expect(graphOf([])).toMatchObject({ nodes: [], edges: [] });
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

it.each([
  [Run_State.RUNNING, ["pause", "cancel"]],
  [Run_State.PAUSED, ["resume", "cancel"]],
  [Run_State.QUEUED, ["cancel"]],
  [Run_State.COMPENSATING, []],
  [Run_State.COMPLETED, []],
  [Run_State.FAILED, ["retry"]],
  [Run_State.LOST, ["retry"]],
])("actions in state %s", (state, actions) => {
  expect(actionsFor(state)).toEqual(actions);
});
