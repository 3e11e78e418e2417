import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { RunsService, type Task, Task_Decision, Task_State, Task_VoteSchema } from "@/gen/services/runs/v1/runs_pb";
import { ago } from "../factories";
import type { FakeHouse } from "./house";
import { missing } from "./serve";

// Tasks are decided by the first vote, or by as many approvals as they want.
export function tasks(house: FakeHouse): Partial<ServiceImpl<typeof RunsService>> {
  const find = (name: string) => house.tasks.find((one) => one.name === name) ?? missing();
  const change = (name: string, changed: Partial<Task>): Task => {
    const found = find(name);
    const next = { ...found, ...changed, version: found.version + 1n };
    house.tasks = house.tasks.map((one) => (one === found ? next : one));
    return next;
  };
  return {
    listTasks: ({ filter, mine }) => ({
      tasks: house.tasks.filter(
        ({ state, decidable }) => (state === Task_State.OPEN) === filter.includes('state="OPEN"') && (!mine || decidable),
      ),
    }),
    getTask: ({ name }) => find(name),
    claimTask: ({ name }) => change(name, { claimedBy: "users/ada" }),
    releaseTask: ({ name }) =>
      change(
        name,
        find(name).delegatedBy === "users/ada"
          ? { assignee: "roles/approver", delegatedBy: "", claimedBy: "", decidable: true }
          : { claimedBy: "" },
      ),
    delegateTask: ({ name, assignee }) => change(name, { assignee, delegatedBy: "users/ada", decidable: false }),
    decideTask: ({ name, decision, reason, version }) => {
      const found = find(name);
      if (version !== found.version) throw new ConnectError("the task has changed", Code.FailedPrecondition);
      const vote = create(Task_VoteSchema, { decision, reason, actor: "users/ada", time: ago(0) });
      const votes = [...found.votes, vote];
      if (decision === Task_Decision.APPROVE && votes.length < found.quorum) return change(name, { votes, decidable: false });
      return change(name, {
        state: Task_State.DECIDED,
        decision,
        reason,
        votes,
        decidable: false,
        decidedBy: "users/ada",
        decideTime: ago(0),
      });
    },
  };
}
