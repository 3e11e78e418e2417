import { describe, expect, it } from "vitest";
import { Step_State } from "@/gen/services/runs/v1/runs_pb";
import { step } from "@/test/factories";
import { graphOf, NODE } from "./graph";

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

  it("goes on in a row below when a process is long", () => {
    const { nodes, edges, height } = graphOf(Array.from({ length: 8 }, (_, index) => step(`step${index}`)));
    expect(nodes.map(({ y }) => y > 0)).toEqual([false, false, false, false, false, false, true, true]);
    expect(nodes[6]?.x).toBe(nodes[0]?.x);
    expect(edges.map(({ wrapped }) => wrapped)).toEqual([false, false, false, false, false, true, false]);
    expect(height).toBeGreaterThan(2 * NODE.height);
  });
});
